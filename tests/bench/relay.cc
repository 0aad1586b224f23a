// bench-relay PORT TO_PORT: passes bytes between connections and parses nothing.
//
// The floor of the bench: two sockets a client connection, edge-triggered, one
// read and one write each way. What a proxy costs beyond this is its own.

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

// One end: what waits to be written to it, and the other end's descriptor.
struct End {
  int other = -1;
  std::string out;
};

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool flush(int fd, End& end) {
  while (!end.out.empty()) {
    const ssize_t n = send(fd, end.out.data(), end.out.size(), MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN || errno == ENOTCONN;
    end.out.erase(0, size_t(n));
  }
  return true;
}

bool pump(int fd, std::vector<End>& ends) {
  char bytes[16384];
  for (;;) {
    const ssize_t n = recv(fd, bytes, sizeof bytes, 0);
    if (n == 0) return false;
    if (n < 0) return errno == EAGAIN;
    End& to = ends[size_t(ends[size_t(fd)].other)];
    size_t sent = 0;
    if (to.out.empty()) {
      const ssize_t w = send(ends[size_t(fd)].other, bytes, size_t(n), MSG_NOSIGNAL);
      if (w > 0) sent = size_t(w);
    }
    to.out.append(bytes + sent, size_t(n) - sent);
    if (size_t(n) < sizeof bytes) return true;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: bench-relay PORT TO_PORT\n");
    return 64;
  }
  signal(SIGPIPE, SIG_IGN);
  const sockaddr_in from = loopback(uint16_t(atoi(argv[1])));
  const sockaddr_in to = loopback(uint16_t(atoi(argv[2])));
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int one = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0 ||
      listen(listener, 4096) != 0) {
    perror("bench-relay: listen");
    return 1;
  }
  const int poller = epoll_create1(EPOLL_CLOEXEC);
  epoll_event add{.events = EPOLLIN, .data = {.fd = listener}};
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &add);
  std::vector<End> ends;

  const auto watch = [&](int fd, int other) {
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (ends.size() <= size_t(fd)) ends.resize(size_t(fd) + 1);
    ends[size_t(fd)] = {.other = other, .out = {}};
    epoll_event both{.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.fd = fd}};
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &both);
  };

  epoll_event ready[256];
  for (;;) {
    const int count = epoll_wait(poller, ready, 256, -1);
    for (int i = 0; i < count; ++i) {
      const int fd = ready[i].data.fd;
      if (fd == listener) {
        const int peer = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (peer < 0) continue;
        const int upstream = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (connect(upstream, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 &&
            errno != EINPROGRESS) {
          close(upstream);
          close(peer);
          continue;
        }
        watch(peer, upstream);
        watch(upstream, peer);
        continue;
      }
      const int other = ends[size_t(fd)].other;
      if (other < 0) continue;  // closed in this batch
      bool alive = true;
      if ((ready[i].events & EPOLLIN) != 0) alive = pump(fd, ends);
      if (alive && (ready[i].events & EPOLLOUT) != 0) alive = flush(fd, ends[size_t(fd)]);
      if (!alive) {
        ends[size_t(fd)].other = ends[size_t(other)].other = -1;
        close(fd);
        close(other);
      }
    }
  }
}
