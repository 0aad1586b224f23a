// NotifyServer: what systemd is to a daemon, for a supervisor: hears
// sd_notify(3) of children, with the kernel's word on who speaks.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "event/watch.h"

namespace mesh::daemon {

class NotifyServer final : private event::Watch::Handler {
 public:
  // `hear` gets each line ("READY=1") and the process that sent it.
  using Hear = std::function<void(pid_t pid, std::string_view line)>;
  NotifyServer(event::Loop& loop, Hear hear) : hear_(std::move(hear)), watch_(loop, *this) {}
  ~NotifyServer();

  // Makes the socket, mode 0600; replaces one that is there.
  Result<void> open(const std::string& path);
  const std::string& path() const { return path_; }

 private:
  void on_ready(bool readable, bool writable) override;

  Hear hear_;
  event::Watch watch_;
  UniqueFd fd_;
  std::string path_;
};

}  // namespace mesh::daemon
