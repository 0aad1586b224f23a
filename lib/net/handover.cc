#include "net/handover.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/text.h"

namespace mesh::net::handover {
namespace {

constexpr size_t kPacketBytesMax = 4096;
constexpr std::string_view kEnd = "end";
constexpr std::string_view kReady = "ready";
constexpr int kFirstFd = 3;  // SD_LISTEN_FDS_START

Result<UniqueFd> open_socket() {
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd) return errno_error("socket for handing over");
  return fd;
}

bool is_ours(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == geteuid() || peer.uid == 0;
}

Result<void> send(int to, std::string_view text, int fd) {
  iovec piece{const_cast<char*>(text.data()), text.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(head), &fd, sizeof fd);
  }
  if (::sendmsg(to, &message, MSG_NOSIGNAL) < 0) return errno_error("hand over");
  return {};
}

struct Packet {
  std::string text;
  UniqueFd fd;
};

Result<Packet> receive(int from, int flags) {
  Packet packet;
  char bytes[kPacketBytesMax];
  iovec piece{bytes, sizeof bytes};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t n = ::recvmsg(from, &message, flags | MSG_CMSG_CLOEXEC);
  if (n < 0) {
    if (errno == EAGAIN) return Error{Errc::Unavailable, "nothing was said"};
    return errno_error("take over");
  }
  for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr;
       head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(head), sizeof fd);
    packet.fd.reset(fd);
  }
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
    return Error{Errc::TooBig, "take over: a packet is too long"};
  if (n == 0) return Error{Errc::Closed, "take over: the other end has closed"};
  packet.text.assign(bytes, size_t(n));
  return packet;
}

bool is_listening_stream(int fd) {
  int type = 0, accepts = 0;
  socklen_t size = sizeof type;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM) return false;
  size = sizeof accepts;
  return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size) == 0 && accepts != 0;
}

// "NAME\nADDRESS"
Result<Inherited> parse(Packet packet) {
  const size_t line = packet.text.rfind('\n');
  if (line == std::string::npos || !packet.fd || !is_listening_stream(packet.fd.get()))
    return Error{Errc::Invalid, "take over: a packet holds no listening socket"};
  Inherited inherited;
  inherited.name = packet.text.substr(0, line);
  MESH_TRY(inherited.asked, Address::parse(packet.text.substr(line + 1)));
  ::fcntl(packet.fd.get(), F_SETFL, O_NONBLOCK);
  inherited.fd = std::move(packet.fd);
  return inherited;
}

}  // namespace

Result<UniqueFd> listen(const std::string& path) {
  MESH_TRY(const Address address, Address::unix_path(path));
  MESH_TRY(UniqueFd fd, open_socket());
  if (const std::string file = address.path(); !file.empty()) {
    MESH_TRY(const UniqueFd probe, open_socket());
    if (::connect(probe.get(), address.data(), address.size()) == 0)
      return Error{Errc::Unavailable, "takeover at " + path + ": another process listens there"};
    struct stat st {};
    if (::lstat(file.c_str(), &st) == 0 && S_ISSOCK(st.st_mode)) ::unlink(file.c_str());
  }
  if (::bind(fd.get(), address.data(), address.size()) != 0)
    return errno_error("takeover at " + path);
  // Before listen(): until then nobody can connect.
  if (const std::string file = address.path(); !file.empty() && ::chmod(file.c_str(), 0600) != 0)
    return errno_error("takeover at " + path);
  if (::listen(fd.get(), 4) != 0) return errno_error("takeover at " + path);
  ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
  return fd;
}

Result<UniqueFd> accept(int listener) {
  UniqueFd fd(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd) return fd;
  if (!is_ours(fd.get())) return Error{Errc::Refused, "takeover: a process of another user"};
  const int bytes = 1 << 20;
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  return fd;
}

Result<void> give(int taker, const std::vector<ListenerSet::Entry>& entries) {
  if (entries.size() > kListenersMax)
    return Error{Errc::TooBig, "over 1024 listeners to hand over"};
  for (const ListenerSet::Entry& entry : entries)
    MESH_TRY_VOID(send(taker, entry.name + "\n" + entry.asked.to_string(), entry.socket->fd()));
  return send(taker, kEnd, -1);
}

Result<bool> said_ready(int taker) {
  auto packet = receive(taker, MSG_DONTWAIT);
  if (packet) return packet->text == kReady;
  if (packet.error().kind == Errc::Unavailable) return false;
  return std::move(packet).error();
}

Result<Taken> take(const std::string& path, Duration longest) {
  MESH_TRY(const Address address, Address::unix_path(path));
  Taken taken;
  MESH_TRY(taken.giver, open_socket());
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(longest).count();
  const timeval limit{.tv_sec = std::max<time_t>(1, seconds), .tv_usec = 0};
  setsockopt(taken.giver.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (::connect(taken.giver.get(), address.data(), address.size()) != 0) {
    if (errno == ENOENT || errno == ECONNREFUSED)
      return Error{Errc::NotFound, "nobody hands over at " + path};
    return errno_error("take over at " + path);
  }
  if (!is_ours(taken.giver.get()))
    return Error{Errc::Refused, "takeover at " + path + ": a process of another user listens"};
  for (size_t i = 0; i <= kListenersMax; ++i) {
    MESH_TRY(Packet packet, receive(taken.giver.get(), 0));
    if (packet.text == kEnd) return taken;
    MESH_TRY(auto inherited, parse(std::move(packet)));
    taken.sockets.push_back(std::move(inherited));
  }
  return Error{Errc::TooBig, "over 1024 listeners were handed over"};
}

void say_ready(int giver) { static_cast<void>(send(giver, kReady, -1)); }

Result<std::vector<Inherited>> from_systemd() {
  const char* const pid = getenv("LISTEN_PID");
  const char* const count = getenv("LISTEN_FDS");
  const char* const names = getenv("LISTEN_FDNAMES");
  std::vector<Inherited> list;
  if (pid == nullptr || count == nullptr || pid != std::to_string(getpid())) return list;
  const auto number = text::parse_uint(count, kListenersMax);
  if (!number) return Error{Errc::Invalid, "LISTEN_FDS: expected a number up to 1024"};
  const std::string all = names == nullptr ? "" : names;
  const auto each = text::split(all, ':');
  for (int i = 0; i < int(*number); ++i) {
    Inherited inherited;
    inherited.fd.reset(kFirstFd + i);
    if (::fcntl(inherited.fd.get(), F_SETFD, FD_CLOEXEC) != 0 ||
        !is_listening_stream(inherited.fd.get())) {
      inherited.fd.release();
      return Error{Errc::Invalid, "LISTEN_FDS: descriptor " + std::to_string(kFirstFd + i) +
                                      " is no listening stream socket (ListenStream=)"};
    }
    ::fcntl(inherited.fd.get(), F_SETFL, O_NONBLOCK);
    if (size_t(i) < each.size()) inherited.name = each[size_t(i)];
    inherited.asked = Address::local_of(inherited.fd.get());
    inherited.shared = true;
    list.push_back(std::move(inherited));
  }
  for (const char* const name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) unsetenv(name);
  return list;
}

}  // namespace mesh::net::handover
