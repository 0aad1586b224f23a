#include "net/stream.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace mesh::net {

Io::Status Stream::end_write() {
  ::shutdown(fd(), SHUT_WR);  // of no consequence where the peer has gone already
  return Io::Status::Ok;
}

Io PlainStream::read(std::span<char> into) {
  for (;;) {
    const ssize_t n = ::recv(fd_.get(), into.data(), into.size(), 0);
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
      n = ::send(fd_.get(), pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL | flags);
    } else {
      msghdr message{};
      message.msg_iov = const_cast<iovec*>(pieces.data());
      message.msg_iovlen = pieces.size();
      n = ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL | flags);
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
