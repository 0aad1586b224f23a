#include "net/peer_has_left.h"

#include <sys/socket.h>

#include <cerrno>

namespace mesh::net {

bool peer_has_left(int fd) {
  char byte;
  const ssize_t n = ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

}  // namespace mesh::net
