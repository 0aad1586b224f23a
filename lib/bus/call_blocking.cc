#include "bus/call_blocking.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "base/unique_fd.h"
#include "bus/client.h"
#include "event/loop.h"

namespace mesh::bus {
namespace {

// libzmq reconnects for ever and tells nobody: ask the kernel first whether
// anyone listens.
Result<void> probe(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return Error{Errc::Invalid, "socket path is empty or too long: " + path};
  memcpy(address.sun_path, path.data(), path.size());
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno_error("socket");
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return {};
  const int code = errno;
  // The queue of connections is full: somebody is there, and busy.
  if (code == EAGAIN) return {};
  Error error = errno_error("connect to " + path);
  if (code == ENOENT || code == ENOTDIR || code == ECONNREFUSED) error.kind = Errc::Unavailable;
  if (code == EACCES || code == EPERM) error.kind = Errc::Refused;
  return error;
}

}  // namespace

Result<std::string> call_blocking_bytes(const std::string& path, std::string type_url,
                                        std::string payload, std::string reply_type_url,
                                        Duration timeout) {
  MESH_TRY_VOID(probe(path));
  event::Loop loop;
  Client client(loop, path);
  std::optional<Result<std::string>> answer;
  client.call_bytes(
      std::move(type_url), std::move(payload), timeout, std::move(reply_type_url),
      [&](Result<std::string> result) { answer = std::move(result); }, nullptr);
  while (!answer) loop.run_once(timeout);
  // It listens, and yet has not even greeted us: that is slowness, not absence.
  if (!*answer && answer->error().kind == Errc::Unavailable && client.server_boot_id() == 0)
    return Error{Errc::Timeout, path + " accepts no client"};
  return *std::move(answer);
}

}  // namespace mesh::bus
