#include "net/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace mesh::net {
namespace {

Result<UniqueFd> open_socket(const Address& address) {
  UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return errno_error("socket for " + address.to_string());
  return fd;
}

// Does anybody answer at this path?
bool is_live(const Address& address) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  return fd && (::connect(fd.get(), address.data(), address.size()) == 0 || errno == EAGAIN);
}

Result<void> clear_path(const Address& address) {
  const std::string path = address.path();
  struct stat st;
  if (path.empty() || ::lstat(path.c_str(), &st) != 0) return {};
  if (!S_ISSOCK(st.st_mode))
    return Error{Errc::Unavailable, "listen on " + path + ": a file that is no socket is there"};
  if (is_live(address))
    return Error{Errc::Unavailable, "listen on " + path + ": another process listens there"};
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return errno_error("remove the stale socket " + path);
  return {};
}

// The kernel chooses the port when it connects, so that ports are not used up by
// connections to other places.
Result<void> bind_source(int fd, const Source& source, const Address& address) {
  const int on = 1;
  const Address& from = source.address;
  if (from.family() != address.family())
    return Error{Errc::Unavailable, "connect to " + address.to_string() + ": the source address " +
                                        from.host() + " is of another family"};
  if (from.port() == 0) setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  if (source.freebind) setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof on);
  if (::bind(fd, from.data(), from.size()) == 0) return {};
  Error error = errno_error("connect from " + from.to_string());
  error.kind = Errc::Unavailable;
  return error;
}

}  // namespace

Result<void> set_transparent(int fd, const Address& address) {
  const int on = 1;
  const bool v6 = address.family() == AF_INET6;
  if (setsockopt(fd, v6 ? SOL_IPV6 : SOL_IP, v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT, &on,
                 sizeof on) == 0)
    return {};
  return errno_error("listen transparently on " + address.to_string() + " (CAP_NET_ADMIN)");
}

Result<UniqueFd> connect(const Address& address, const Source* source) {
  MESH_TRY(UniqueFd fd, open_socket(address));
  set_nodelay(fd.get());
  if (source != nullptr) MESH_TRY_VOID(bind_source(fd.get(), *source, address));
  if (::connect(fd.get(), address.data(), address.size()) == 0 || errno == EINPROGRESS) return fd;
  Error error = errno_error("connect to " + address.to_string());
  error.kind = Errc::Unavailable;
  return error;
}

int connect_error(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

Result<UniqueFd> listen(const Address& address, const ListenOptions& options) {
  if (address.is_unix()) MESH_TRY_VOID(clear_path(address));
  MESH_TRY(UniqueFd fd, open_socket(address));
  const int on = 1;
  set_nodelay(fd.get());
  if (!address.is_unix()) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (options.freebind && !address.is_unix())
    setsockopt(fd.get(), IPPROTO_IP, IP_FREEBIND, &on, sizeof on);
  if (options.transparent && !address.is_unix()) MESH_TRY_VOID(set_transparent(fd.get(), address));
  if (address.family() == AF_INET6) {
    const int only = options.ipv4_compat ? 0 : 1;
    setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
  }
  if (::bind(fd.get(), address.data(), address.size()) != 0) {
    Error error = errno_error("listen on " + address.to_string());
    error.kind = Errc::Unavailable;
    return error;
  }
  if (const std::string path = address.path(); options.mode != 0 && !path.empty())
    if (::chmod(path.c_str(), mode_t(options.mode)) != 0) return errno_error("chmod " + path);
  if (::listen(fd.get(), options.backlog) != 0)
    return errno_error("listen on " + address.to_string());
  return fd;
}

Accepted accept(int listener) {
  for (int tries = 0; tries < 16; ++tries) {
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) return {UniqueFd(fd), 0};
    // A peer that left the queue again is not the listener's error.
    if (errno != EINTR && errno != ECONNABORTED) return {UniqueFd(), errno};
  }
  return {UniqueFd(), EINTR};
}

void set_keepalive(int fd, int probes, int time_s, int interval_s) {
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  if (probes != 0) setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
  if (time_s != 0) setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &time_s, sizeof time_s);
  if (interval_s != 0) setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
}

void set_nodelay(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace mesh::net
