// web: the demo's front page, a business process that knows nothing of a mesh.
//
//   web PORT REVIEWS_URL_HOST:PORT
//
// GET /  asks http://REVIEWS/reviews, with the Host "reviews", and answers with
// what it got inside its own page. Any status but 200 of reviews is passed on.
// One thread a connection, HTTP/1.1 with keep-alive, blocking sockets.

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>

namespace {

sockaddr_in loopback(const char* host, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(uint16_t(port));
  inet_pton(AF_INET, host, &address.sin_addr);
  return address;
}

// The value of a header in a received head; names are matched in lower case.
std::string header(const std::string& head, const char* name) {
  for (size_t at = head.find("\r\n"); at != std::string::npos; at = head.find("\r\n", at + 2)) {
    const char* line = head.c_str() + at + 2;
    const size_t n = strlen(name);
    if (strncasecmp(line, name, n) != 0 || line[n] != ':') continue;
    std::string value(line + n + 1, strcspn(line + n + 1, "\r"));
    value.erase(0, value.find_first_not_of(' '));
    return value;
  }
  return {};
}

struct Answer {
  int status = 502;
  std::string body;
};

// One GET on a connection of its own, closed by the server.
Answer get(const sockaddr_in& to, const std::string& path, const std::string& fields) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  Answer answer;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) {
    const std::string request =
        "GET " + path + " HTTP/1.1\r\nHost: reviews\r\nConnection: close\r\n" + fields + "\r\n";
    std::string received;
    if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) == ssize_t(request.size())) {
      char bytes[4096];
      for (ssize_t n; (n = recv(fd, bytes, sizeof bytes, 0)) > 0;) received.append(bytes, size_t(n));
    }
    const size_t end = received.find("\r\n\r\n");
    if (end != std::string::npos && received.size() > 12) {
      answer.status = atoi(received.c_str() + 9);
      answer.body = received.substr(end + 4);
    }
  }
  close(fd);
  return answer;
}

// Headers that a good citizen hands on, so that a trace stays whole.
std::string handed_on(const std::string& head) {
  std::string fields;
  for (const char* name : {"end-user", "x-request-id", "traceparent", "tracestate"}) {
    const std::string value = header(head, name);
    if (!value.empty()) fields += std::string(name) + ": " + value + "\r\n";
  }
  return fields;
}

void serve(int fd, sockaddr_in reviews) {
  std::string in;
  char bytes[4096];
  for (;;) {
    size_t end;
    while ((end = in.find("\r\n\r\n")) == std::string::npos) {
      const ssize_t n = recv(fd, bytes, sizeof bytes, 0);
      if (n <= 0 || in.size() > 65536) {
        close(fd);
        return;
      }
      in.append(bytes, size_t(n));
    }
    const std::string head = in.substr(0, end + 2);
    in.erase(0, end + 4);
    const Answer got = get(reviews, "/reviews", handed_on(head));
    const std::string body = got.status == 200
                                 ? "{\"page\":\"product\",\"reviews\":" + got.body + "}\n"
                                 : got.body;
    const std::string answer = "HTTP/1.1 " + std::to_string(got.status) +
                               (got.status == 200 ? " OK" : " Error") +
                               "\r\nContent-Type: application/json\r\nContent-Length: " +
                               std::to_string(body.size()) + "\r\n\r\n" + body;
    if (send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) != ssize_t(answer.size())) {
      close(fd);
      return;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view upstream = argc == 3 ? argv[2] : "";
  const size_t colon = upstream.find(':');
  if (colon == std::string_view::npos) {
    fprintf(stderr, "usage: web PORT REVIEWS_ADDRESS:PORT\n");
    return 64;
  }
  const sockaddr_in reviews =
      loopback(std::string(upstream.substr(0, colon)).c_str(), atoi(&upstream[colon + 1]));
  signal(SIGPIPE, SIG_IGN);
  const sockaddr_in address = loopback("127.0.0.1", atoi(argv[1]));
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int one = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener, 512) != 0) {
    perror("web: listen");
    return 1;
  }
  for (;;) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    std::thread(serve, fd, reviews).detach();
  }
}
