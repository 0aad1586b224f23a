#include "upstream/header_stream.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace mesh::upstream {

net::Io::Status HeaderStream::handshake() {
  while (!header_.empty()) {
    const ssize_t n = ::send(fd(), header_.data(), header_.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return net::Io::Status::Again;
    if (n < 0) {
      error_ = errno;
      return net::Io::Status::Error;
    }
    header_.erase(0, size_t(n));
  }
  return inner_->handshake();
}

std::string_view HeaderStream::error_text() const {
  return error_ != 0 ? std::string_view(strerrordesc_np(error_)) : inner_->error_text();
}

}  // namespace mesh::upstream
