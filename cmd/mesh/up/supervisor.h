// Supervisor: runs a mesh in the foreground: starts, watches, starts again,
// stops in order. One thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "cli/exit_code.h"
#include "cmd/mesh/up/plan.h"
#include "daemon/child.h"
#include "daemon/notify.h"
#include "daemon/notify_server.h"
#include "event/signal.h"
#include "event/timer.h"

namespace mesh::cmd {

class Supervisor final : private daemon::Child::Owner, private event::Watch::Handler {
 public:
  struct Options {
    bool quiet = false;    // children's warnings stay in their logs
    bool verbose = false;  // all they log is shown
    Duration ready_within = std::chrono::seconds(30);
  };
  Supervisor(Layout layout, Options options);
  ~Supervisor();

  // Starts everything and returns when all has ended again.
  cli::Exit run();

 private:
  struct Part {
    std::unique_ptr<daemon::Child> child;
    bool is_forwarder = false;
    ForwarderFile file;    // of a forwarder
    bool ready = false;    // said READY=1 since its start
    bool leaving = false;  // its file is gone: not started again
    std::string status;    // what it said of itself last
  };

  bool on_child_starting(daemon::Child& child) override;
  void on_child_line(daemon::Child& child, std::string_view line) override;
  void on_child_end(daemon::Child& child, const daemon::Child::End& end) override;
  void on_ready(bool readable, bool writable) override;  // forwarders/ changed

  Result<void> prepare();
  void add(daemon::Child::Spec spec, const ForwarderFile* file);
  Part* find(const daemon::Child& child);
  void on_notify(pid_t pid, std::string_view line);
  void check_ready();
  void on_late();
  void rescan();
  void on_hangup();
  void on_stop_signal();
  void fail(cli::Exit status, const std::string& text);
  void begin_stop();
  void continue_stop();
  void say(const std::string& text) const;

  Layout layout_;
  Options options_;
  event::Loop loop_;
  Random random_ = Random::from_system();
  daemon::Notify notify_;  // where we run under systemd ourselves
  daemon::NotifyServer hears_;
  UniqueFd inotify_;
  event::Watch files_;
  event::Timer settle_;
  event::Timer late_;
  std::vector<std::unique_ptr<event::Signal>> signals_;
  std::map<std::string, Part> parts_;  // by name
  bool announced_ = false;
  bool stopping_ = false;
  cli::Exit status_ = cli::Exit::Done;
};

}  // namespace mesh::cmd
