#include "net/sniff.h"

#include <sys/socket.h>

#include <cerrno>

namespace mesh::net {

Sniffed sniff(int fd) {
  unsigned char head[3];
  const ssize_t n = ::recv(fd, head, sizeof head, MSG_PEEK | MSG_DONTWAIT);
  if (n == 0) return Sniffed::Gone;
  if (n < 0) return errno == EAGAIN || errno == EINTR ? Sniffed::Unknown : Sniffed::Gone;
  if (head[0] != 0x16) return Sniffed::Plain;
  if (n >= 2 && head[1] != 0x03) return Sniffed::Plain;
  if (n < 3) return Sniffed::Unknown;
  return head[2] <= 0x04 ? Sniffed::Tls : Sniffed::Plain;
}

bool peer_has_left(int fd) {
  char byte;
  const ssize_t n = ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

}  // namespace mesh::net
