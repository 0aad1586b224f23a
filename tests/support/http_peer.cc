#include "support/http_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <stdexcept>

namespace mesh::support {
namespace {

constexpr size_t kSeenMax = 16;

sockaddr_in loopback(uint16_t port) {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return a;
}

UniqueFd listen_anywhere(uint16_t& port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in a = loopback(0);
  socklen_t size = sizeof a;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&a), size) != 0 || ::listen(fd.get(), 512) != 0)
    throw std::runtime_error("listen");
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&a), &size);
  port = ntohs(a.sin_port);
  return fd;
}

std::string lowered(std::string_view s) {
  std::string out(s);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  return out;
}

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  return s;
}

}  // namespace

std::optional<Wire> Wire::try_connect(uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in a = loopback(port);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&a), sizeof a) != 0) return {};
  const int on = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return Wire(std::move(fd));
}

Wire Wire::connect(uint16_t port) {
  auto wire = try_connect(port);
  if (!wire) throw std::runtime_error("connect to port " + std::to_string(port));
  return std::move(*wire);
}

bool Wire::send(std::string_view bytes) {
  while (!bytes.empty()) {
    pollfd p{fd_.get(), POLLOUT, 0};
    if (::poll(&p, 1, 10000) != 1) return false;
    const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(size_t(n));
  }
  return true;
}

bool Wire::fill(int timeout_ms) {
  pollfd p{fd_.get(), POLLIN, 0};
  if (::poll(&p, 1, timeout_ms) != 1) return false;
  char bytes[16384];
  const ssize_t n = ::recv(fd_.get(), bytes, sizeof bytes, 0);
  if (n < 0) reset_ = errno == ECONNRESET;
  if (n <= 0) return false;
  buffer_.append(bytes, size_t(n));
  return true;
}

Message Wire::read(bool head_only, int timeout_ms) {
  Message message;
  size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos)
    if (!fill(timeout_ms)) return message;
  const std::string head = buffer_.substr(0, end + 2);
  buffer_.erase(0, end + 4);
  size_t at = head.find("\r\n");
  message.start = head.substr(0, at);
  if (message.start.starts_with("HTTP/") && message.start.size() >= 12)
    message.status = std::stoi(message.start.substr(9, 3));
  for (at += 2; at < head.size();) {
    const size_t next = head.find("\r\n", at);
    const std::string line = head.substr(at, next - at);
    const size_t colon = line.find(':');
    if (colon != std::string::npos)
      message.fields.emplace(lowered(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
    at = next + 2;
  }
  const bool bodiless = head_only || message.status == 204 || message.status == 304 ||
                        (message.status >= 100 && message.status < 200);
  message.complete = bodiless || read_body(message, timeout_ms);
  return message;
}

bool Wire::read_body(Message& message, int timeout_ms) {
  if (message.field("transfer-encoding") == "chunked") {
    for (;;) {
      size_t line = 0;
      while ((line = buffer_.find("\r\n")) == std::string::npos)
        if (!fill(timeout_ms)) return false;
      size_t size = 0;
      std::from_chars(buffer_.data(), buffer_.data() + line, size, 16);
      while (buffer_.size() < line + 2 + size + 2)
        if (!fill(timeout_ms)) return false;
      message.body += buffer_.substr(line + 2, size);
      buffer_.erase(0, line + 2 + size + 2);
      if (size == 0) return true;
    }
  }
  const std::string length = message.field("content-length");
  if (length.empty()) {
    if (message.status == 0) return true;  // a request without a body
    while (fill(timeout_ms)) {
    }
    message.body = std::exchange(buffer_, {});
    return !reset_;
  }
  const size_t wanted = std::stoull(length);
  while (buffer_.size() < wanted)
    if (!fill(timeout_ms)) {
      message.body = std::exchange(buffer_, {});
      return false;
    }
  message.body = buffer_.substr(0, wanted);
  buffer_.erase(0, wanted);
  return true;
}

std::string Wire::read_head(int timeout_ms) {
  size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos)
    if (!fill(timeout_ms)) return "";
  return read_exactly(end + 4);
}

std::string Wire::read_some(int timeout_ms) {
  if (buffer_.empty()) fill(timeout_ms);
  return std::exchange(buffer_, {});
}

std::string Wire::read_exactly(size_t n, int timeout_ms) {
  while (buffer_.size() < n && fill(timeout_ms)) {
  }
  std::string bytes = buffer_.substr(0, n);
  buffer_.erase(0, n);
  return bytes;
}

std::string Wire::read_all(int timeout_ms) {
  while (fill(timeout_ms)) {
  }
  return std::exchange(buffer_, {});
}

bool Wire::closed(int timeout_ms) {
  for (;;) {
    pollfd p{fd_.get(), POLLIN, 0};
    if (::poll(&p, 1, timeout_ms) != 1) return false;
    char bytes[4096];
    const ssize_t n = ::recv(fd_.get(), bytes, sizeof bytes, 0);
    if (n < 0) reset_ = errno == ECONNRESET;
    if (n <= 0) return true;
  }
}

void Wire::reset() {
  const linger at_once{1, 0};
  setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  fd_.reset();
}

void Wire::shutdown_write() { ::shutdown(fd_.get(), SHUT_WR); }

Origin::Origin(std::string name) : name_(std::move(name)), listener_(listen_anywhere(port_)) {
  always(200);
  acceptor_ = std::thread([this] { accept_loop(); });
}

Origin::~Origin() { stop(); }

void Origin::handle(Handler handler) {
  const std::lock_guard lock(mutex_);
  handler_ = std::move(handler);
}

std::vector<Message> Origin::seen() const {
  const std::lock_guard lock(mutex_);
  return seen_;
}

void Origin::always(int status) {
  handle([name = name_, status](const Message& request, Wire& wire) {
    std::string answer = response(status, name);
    if (request.start.starts_with("HEAD ")) answer.resize(answer.size() - name.size());
    return wire.send(answer);
  });
}

void Origin::accept_loop() {
  while (!stopping_) {
    pollfd p{listener_.get(), POLLIN, 0};
    if (::poll(&p, 1, 20) != 1) continue;
    const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    const std::lock_guard lock(mutex_);
    ++connections_;
    open_.push_back(fd);
    threads_.emplace_back([this, fd] { serve(fd); });
  }
}

void Origin::serve(int fd) {
  Wire wire{UniqueFd(fd)};
  for (;;) {
    const Message request = wire.read(false, 60000);
    if (request.start.empty()) break;
    ++requests_;
    Handler handler;
    {
      const std::lock_guard lock(mutex_);
      handler = handler_;
      if (seen_.size() < kSeenMax) seen_.push_back(request);
    }
    if (!handler(request, wire)) break;
  }
  const std::lock_guard lock(mutex_);
  std::erase(open_, fd);
  wire.close();  // under the lock: stop() may not meet a number used anew
}

void Origin::stop() {
  if (stopping_.exchange(true)) return;
  acceptor_.join();
  listener_.reset();
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
    threads.swap(threads_);
  }
  for (auto& thread : threads) thread.join();
}

std::string response(int status, std::string_view body, std::string_view fields) {
  return "HTTP/1.1 " + std::to_string(status) +
         " OK\r\ncontent-length: " + std::to_string(body.size()) + "\r\n" + std::string(fields) +
         "\r\n" + std::string(body);
}

uint16_t unused_port() {
  uint16_t port = 0;
  listen_anywhere(port);
  return port;
}

UniqueFd mute_listener(uint16_t& port) { return listen_anywhere(port); }

Message get(uint16_t port, std::string_view path, std::string_view host, std::string_view fields) {
  auto wire = Wire::try_connect(port);
  if (!wire) return {};
  wire->send("GET " + std::string(path) + " HTTP/1.1\r\nhost: " + std::string(host) +
             "\r\nconnection: close\r\n" + std::string(fields) + "\r\n");
  return wire->read();
}

}  // namespace mesh::support
