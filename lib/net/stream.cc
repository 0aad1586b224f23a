#include "net/stream.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace mesh::net {
namespace {

#if defined(MESH_SANITIZED)
// Sanitizers know these by name.
ssize_t receive(int fd, void* into, size_t size) { return ::recv(fd, into, size, 0); }
ssize_t send_one(int fd, const iovec& piece, int flags) {
  return ::send(fd, piece.iov_base, piece.iov_len, flags);
}
ssize_t send_all(int fd, const msghdr& message, int flags) {
  return ::sendmsg(fd, &message, flags);
}
#else
// As recv(2), send(2) and sendmsg(2), which glibc makes cancellation points: two locked
// instructions and some fifty others a call, in threads that nobody cancels.
ssize_t receive(int fd, void* into, size_t size) {
  return ::syscall(SYS_recvfrom, fd, into, size, 0, nullptr, nullptr);
}
ssize_t send_one(int fd, const iovec& piece, int flags) {
  return ::syscall(SYS_sendto, fd, piece.iov_base, piece.iov_len, flags, nullptr, 0);
}
ssize_t send_all(int fd, const msghdr& message, int flags) {
  return ::syscall(SYS_sendmsg, fd, &message, flags);
}
#endif

}  // namespace

Io::Status Stream::end_write() {
  ::shutdown(fd(), SHUT_WR);  // of no consequence where the peer has gone already
  return Io::Status::Ok;
}

Io PlainStream::read(std::span<char> into) {
  for (;;) {
    const ssize_t n = receive(fd_.get(), into.data(), into.size());
    if (n > 0) return {Io::Status::Ok, size_t(n), size_t(n) < into.size()};
    if (n == 0) return {Io::Status::Eof, 0, true};
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return {};
    error_ = errno;
    return {Io::Status::Error, 0, true};
  }
}

// The kernel keeps the bytes until it knows the end, so that both are one segment.
Io PlainStream::write_last(std::span<const iovec> pieces) {
  const Io io = send(pieces, MSG_MORE);
  if (io.status == Io::Status::Ok && !io.drained) ::shutdown(fd_.get(), SHUT_WR);
  return io;
}

Io PlainStream::send(std::span<const iovec> pieces, int flags) {
  size_t asked = 0;
  for (const iovec& piece : pieces) asked += piece.iov_len;
  for (;;) {
    ssize_t n = 0;
    if (pieces.size() == 1) {
      n = send_one(fd_.get(), pieces[0], MSG_NOSIGNAL | flags);
    } else {
      msghdr message{};
      message.msg_iov = const_cast<iovec*>(pieces.data());
      message.msg_iovlen = pieces.size();
      n = send_all(fd_.get(), message, MSG_NOSIGNAL | flags);
    }
    if (n >= 0) return {Io::Status::Ok, size_t(n), size_t(n) < asked};
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return {};
    error_ = errno;
    return {Io::Status::Error, 0, true};
  }
}

std::string_view PlainStream::error_text() const { return strerrordesc_np(error_); }

}  // namespace mesh::net
