#include "daemon/notify_server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>

#include "base/text.h"

namespace mesh::daemon {

NotifyServer::~NotifyServer() {
  if (!path_.empty()) unlink(path_.c_str());
}

Result<void> NotifyServer::open(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return Error{Errc::Invalid, path + " is too long for a Unix socket (107 bytes)"};
  memcpy(address.sun_path, path.data(), path.size());
  fd_.reset(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd_) return errno_error("socket");
  const int on = 1;
  if (setsockopt(fd_.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0)
    return errno_error("SO_PASSCRED");
  unlink(path.c_str());
  if (bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return errno_error("bind " + path);
  path_ = path;
  if (chmod(path.c_str(), 0600) != 0) return errno_error("chmod " + path);
  return watch_.start(fd_.get(), event::Watch::Interest::Read);
}

void NotifyServer::on_ready(bool, bool) {
  char bytes[4096];
  for (;;) {
    iovec part{bytes, sizeof bytes};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t n = recvmsg(fd_.get(), &message, MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return;
    const cmsghdr* const header = CMSG_FIRSTHDR(&message);
    if (header == nullptr || header->cmsg_type != SCM_CREDENTIALS) continue;
    ucred sender{};
    memcpy(&sender, CMSG_DATA(header), sizeof sender);
    for (const std::string_view line : text::split(std::string_view(bytes, size_t(n)), '\n'))
      if (!line.empty()) hear_(sender.pid, line);
  }
}

}  // namespace mesh::daemon
