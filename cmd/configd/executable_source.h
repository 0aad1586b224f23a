// ExecutableSource: a program that prints sets of documents. configd(8),
// "SOURCES", is its contract.
//
// It is kept running, with the least it needs; what it prints is bounded. Of
// sets that come quickly the last one counts. One thread, the loop's.
#pragma once

#include <optional>
#include <string>

#include "base/random.h"
#include "config/set_stream.h"
#include "config/source.h"
#include "daemon/child.h"
#include "event/timer.h"
#include "mesh/settings_configd.pb.h"

namespace mesh::configd {

class ExecutableSource final : public config::Source, private daemon::Child::Owner {
 public:
  ExecutableSource(event::Loop& loop, const settings::v1::ConfigSource& settings);

  const std::string& name() const override { return name_; }
  std::string_view kind() const override { return "executable"; }
  std::string location() const override { return command_; }
  unsigned starts() const override { return child_.starts(); }
  void start(Source::Owner& owner) override;

 private:
  bool on_child_starting(daemon::Child& child) override;
  void on_child_line(daemon::Child& child, std::string_view line) override;
  void on_child_output(daemon::Child& child, std::string_view bytes) override;
  void on_child_end(daemon::Child& child, const daemon::Child::End& end) override;
  void roll_window();
  void say();
  void give_up(const std::string& why);

  event::Loop& loop_;
  const std::string name_;
  const std::string command_;
  const Duration set_timeout_;
  Random random_;
  Source::Owner* owner_ = nullptr;
  config::SetStream stream_;
  std::optional<std::string> set_;  // complete, not said yet
  bool said_ = false;               // a set since it was started
  bool given_up_ = false;           // killed, and not to be heard any more
  size_t window_bytes_ = 0;
  Instant window_{};
  uint32_t lines_ = 0;  // logged in the window
  event::Timer settle_;
  event::Timer late_;
  daemon::Child child_;
};

}  // namespace mesh::configd
