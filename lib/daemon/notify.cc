#include "daemon/notify.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "base/text.h"

namespace mesh::daemon {
namespace {

std::string take(const char* name) {
  const char* const value = getenv(name);
  std::string copy = value == nullptr ? "" : value;
  unsetenv(name);
  return copy;
}

}  // namespace

Result<Notify> Notify::from_environment() {
  Notify notify;
  const std::string path = take("NOTIFY_SOCKET");
  const std::string usec = take("WATCHDOG_USEC");
  const std::string pid = take("WATCHDOG_PID");
  if (path.empty()) return notify;

  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if ((path[0] != '/' && path[0] != '@') || path.size() >= sizeof address.sun_path)
    return Error{Errc::Invalid, "NOTIFY_SOCKET names no Unix socket: " + text::quoted(path)};
  memcpy(address.sun_path, path.data(), path.size());
  if (path[0] == '@') address.sun_path[0] = '\0';  // the abstract namespace

  notify.socket_.reset(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!notify.socket_) return errno_error("NOTIFY_SOCKET: socket");
  const auto length = socklen_t(offsetof(sockaddr_un, sun_path) + path.size());
  if (connect(notify.socket_.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0)
    return errno_error("NOTIFY_SOCKET " + path + ": connect");

  if (pid.empty() || pid == std::to_string(getpid())) {
    constexpr uint64_t kDayUsec = 86'400'000'000;
    if (const auto wait = text::parse_uint(usec, kDayUsec); wait)
      notify.alive_every_ = std::chrono::microseconds(*wait / 2);
  }
  return notify;
}

void Notify::reloading() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const uint64_t usec = uint64_t(now.tv_sec) * 1'000'000 + uint64_t(now.tv_nsec) / 1000;
  send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(usec));
}

void Notify::status(std::string_view text) {
  std::string line = "STATUS=";
  for (const char c : text) line += uint8_t(c) < 0x20 ? ' ' : c;  // a newline would begin a field
  send(line);
}

// A manager that does not read must not stop the daemon: what does not fit is
// lost.
void Notify::send(std::string_view message) {
  if (!socket_) return;
  [[maybe_unused]] const ssize_t n =
      ::send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace mesh::daemon
