// Notify: tells systemd how the daemon is (sd_notify(3), spoken by hand: one
// datagram a message to $NOTIFY_SOCKET). Silent where nobody listens.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace mesh::daemon {

class Notify {
 public:
  // Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and removes them from
  // the environment, so that children do not speak for us. A socket that
  // cannot be used is an error in words; the daemon runs on without.
  static Result<Notify> from_environment();

  Notify() = default;  // says nothing

  void ready() { send("READY=1"); }
  // With the monotonic time, as Type=notify-reload wants it.
  void reloading();
  void stopping() { send("STOPPING=1"); }
  void alive() { send("WATCHDOG=1"); }
  void status(std::string_view text);

  // How often alive() is due: half of what systemd waits. Zero: never.
  Duration alive_every() const { return alive_every_; }

 private:
  void send(std::string_view message);

  UniqueFd socket_;
  Duration alive_every_{0};
};

}  // namespace mesh::daemon
