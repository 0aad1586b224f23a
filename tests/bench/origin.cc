// bench-origin PORT [BODY_BYTES]: the cheapest HTTP/1.1 server that can be.
//
// Answers every request head with the same 200 and body of BODY_BYTES (default
// 1024), but "GET /large" with 100 MB. It looks for the blank line only; request bodies are not
// supported. One thread, edge-triggered. For the bench: everything measured stands in front of it,
// so it must cost next to nothing.

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr size_t kLargeBytes = 100 << 20;

struct Connection {
  std::string in;
  std::string out;
  size_t large_left = 0;  // of a large body, behind `out`
};

std::string head(size_t body_bytes) {
  return "HTTP/1.1 200 OK\r\nServer: origin\r\nContent-Type: text/plain\r\n"
         "Content-Length: " +
         std::to_string(body_bytes) + "\r\n\r\n";
}

int listen_on(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(fd, 4096) != 0) {
    perror("bench-origin: listen");
    exit(1);
  }
  return fd;
}

// Sends what is pending; false when the connection is gone.
bool flush(int fd, Connection& c) {
  while (!c.out.empty()) {
    const ssize_t n = send(fd, c.out.data(), c.out.size(), MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN;
    c.out.erase(0, size_t(n));
    if (c.out.empty() && c.large_left > 0) {
      c.out.assign(std::min<size_t>(c.large_left, 1 << 16), 'x');
      c.large_left -= c.out.size();
    }
  }
  return true;
}

// Reads and answers; false when the connection is gone.
bool serve(int fd, Connection& c, const std::string& answer) {
  char bytes[16384];
  for (;;) {
    const ssize_t n = recv(fd, bytes, sizeof bytes, 0);
    if (n == 0) return false;
    if (n < 0) return errno == EAGAIN;
    c.in.append(bytes, size_t(n));
    size_t end = 0;
    size_t from = 0;
    while ((end = c.in.find("\r\n\r\n", from)) != std::string::npos) {
      if (std::string_view(c.in).substr(from).starts_with("GET /large ")) {
        c.out += head(kLargeBytes);
        c.large_left += kLargeBytes;
      } else {
        c.out += answer;
      }
      from = end + 4;
    }
    c.in.erase(0, from);
    if (!flush(fd, c)) return false;
    if (size_t(n) < sizeof bytes) return true;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const auto port = uint16_t(argc > 1 ? atoi(argv[1]) : 8080);
  const size_t body_bytes = argc > 2 ? size_t(atol(argv[2])) : 1024;
  signal(SIGPIPE, SIG_IGN);
  const std::string answer = head(body_bytes) + std::string(body_bytes, 'x');
  const int listener = listen_on(port);
  const int poller = epoll_create1(EPOLL_CLOEXEC);
  epoll_event add{.events = EPOLLIN, .data = {.fd = listener}};
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &add);
  std::vector<Connection> connections;

  epoll_event ready[256];
  for (;;) {
    const int count = epoll_wait(poller, ready, 256, -1);
    for (int i = 0; i < count; ++i) {
      const int fd = ready[i].data.fd;
      if (fd == listener) {
        const int peer = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (peer < 0) continue;
        const int one = 1;
        setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (connections.size() <= size_t(peer)) connections.resize(size_t(peer) + 1);
        connections[size_t(peer)] = {};
        epoll_event watch{.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.fd = peer}};
        epoll_ctl(poller, EPOLL_CTL_ADD, peer, &watch);
        continue;
      }
      Connection& c = connections[size_t(fd)];
      bool alive = true;
      if ((ready[i].events & EPOLLIN) != 0) alive = serve(fd, c, answer);
      if (alive && (ready[i].events & EPOLLOUT) != 0) alive = flush(fd, c);
      if (!alive) close(fd);
    }
  }
}
