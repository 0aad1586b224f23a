// Skeleton: the Runtime of a real process, and the life around it.
//
//   Starting -> Running -> Draining -> Stopped
//                 ^  | SIGHUP
//                 \__/
//
// One thread, the main one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/command_line.h"
#include "daemon/lock_file.h"
#include "daemon/notify.h"
#include "daemon/privileges.h"
#include "daemon/program.h"
#include "daemon/settings.h"
#include "event/signal.h"
#include "event/timer.h"

namespace mesh::daemon {

class Skeleton final : public Runtime {
 public:
  // `program` outlives us. The message of `settings` is null where it has none.
  Skeleton(const Program& program, CommandLine line, Settings settings);
  ~Skeleton() override;

  // Everything from the directories to a running daemon. The error's kind
  // decides the exit status.
  Result<void> start();

  // Runs until drained.
  void run();

  event::Loop& loop() override { return loop_; }
  const Clock& clock() override { return clock_; }
  const Paths& paths() override { return line_.paths; }
  const std::string& name() override { return line_.name; }
  const cli::Arguments& arguments() override { return line_.arguments; }
  const google::protobuf::Message& settings() override;
  bus::Server* server() override;
  void keep(std::unique_ptr<Service> service) override;
  void hold_ready() override { ready_held_ = true; }
  void ready() override;
  void status(const std::string& text) override;
  void set_drain_limit(Duration limit) override { drain_limit_ = limit; }
  void stop(const std::string& why) override;

 private:
  Result<void> choose_user();
  void make_server();
  Result<void> make_dirs();
  void on_stop_signal(int number);
  void on_hangup();
  Result<void> reload();
  void keep_alive();
  std::string base_name() const;  // of lock and socket

  const Program& program_;
  CommandLine line_;
  Settings settings_;
  SystemClock clock_;
  Notify notify_;
  LockFile lock_;
  event::Loop loop_;
  std::unique_ptr<bus::Server> server_;  // null: the program has none
  std::unique_ptr<User> user_;           // null: we stay who we are
  std::vector<std::unique_ptr<event::Signal>> signals_;
  event::Timer watchdog_;
  event::Timer drain_timer_;
  Duration drain_limit_ = std::chrono::seconds(10);
  WallTime started_ = std::chrono::system_clock::now();
  std::string status_text_;
  bool ready_held_ = false;
  bool ready_ = false;
  bool draining_ = false;
  std::vector<std::unique_ptr<Service>> services_;
};

}  // namespace mesh::daemon
