#include "support/tcp_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <stdexcept>

namespace mesh::support {
namespace {

struct Name {
  sockaddr_storage storage{};
  socklen_t size = 0;
  sockaddr* data() { return reinterpret_cast<sockaddr*>(&storage); }
};

Name name_of(const std::string& host, uint16_t port) {
  Name name;
  if (host.starts_with('/')) {
    auto& un = reinterpret_cast<sockaddr_un&>(name.storage);
    un.sun_family = AF_UNIX;
    host.copy(un.sun_path, sizeof un.sun_path - 1);
    name.size = sizeof un;
  } else if (host.find(':') != std::string::npos) {
    auto& in6 = reinterpret_cast<sockaddr_in6&>(name.storage);
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(port);
    inet_pton(AF_INET6, host.c_str(), &in6.sin6_addr);
    name.size = sizeof in6;
  } else {
    auto& in4 = reinterpret_cast<sockaddr_in&>(name.storage);
    in4.sin_family = AF_INET;
    in4.sin_port = htons(port);
    inet_pton(AF_INET, host.c_str(), &in4.sin_addr);
    name.size = sizeof in4;
  }
  return name;
}

}  // namespace

TcpOrigin::TcpOrigin(Script script, const std::string& host) : script_(std::move(script)) {
  Name name = name_of(host, 0);
  listener_ = UniqueFd(::socket(name.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (host.starts_with('/')) path_ = host;
  if (::bind(listener_.get(), name.data(), name.size) != 0 || ::listen(listener_.get(), 128) != 0)
    throw std::runtime_error("cannot listen on " + host);
  socklen_t size = sizeof name.storage;
  getsockname(listener_.get(), name.data(), &size);
  if (name.storage.ss_family == AF_INET)
    port_ = ntohs(reinterpret_cast<sockaddr_in&>(name.storage).sin_port);
  if (name.storage.ss_family == AF_INET6)
    port_ = ntohs(reinterpret_cast<sockaddr_in6&>(name.storage).sin6_port);
  acceptor_ = std::thread([this] { accept_loop(); });
}

TcpOrigin::~TcpOrigin() {
  stopping_ = true;
  {
    const std::lock_guard lock(mutex_);
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
  }
  acceptor_.join();
  for (auto& thread : threads_) thread.join();
  if (!path_.empty()) ::unlink(path_.c_str());
}

void TcpOrigin::accept_loop() {
  while (!stopping_) {
    pollfd ready{listener_.get(), POLLIN, 0};
    if (::poll(&ready, 1, 20) <= 0) continue;
    const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    ++connections_;
    const std::lock_guard lock(mutex_);
    open_.push_back(fd);
    threads_.emplace_back([this, fd] {
      Wire wire{UniqueFd(fd)};
      script_(wire);
      const std::lock_guard closing(mutex_);
      std::erase(open_, fd);
      wire.close();
    });
  }
}

void TcpOrigin::echo(Wire& wire) {
  char bytes[65536];
  for (;;) {
    const ssize_t n = ::recv(wire.fd(), bytes, sizeof bytes, 0);
    if (n <= 0 || !wire.send({bytes, size_t(n)})) return;
  }
}

Wire connect_to(const std::string& host, uint16_t port) {
  Name name = name_of(host, port);
  UniqueFd fd(::socket(name.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(fd.get(), name.data(), name.size) != 0)
    throw std::runtime_error("cannot connect to " + host + ": " + std::strerror(errno));
  return Wire(std::move(fd));
}

std::string read_some(Wire& wire, size_t bytes, int timeout_ms) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  std::string out;
  char room[65536];
  while (out.size() < bytes) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - std::chrono::steady_clock::now());
    pollfd ready{wire.fd(), POLLIN, 0};
    if (left.count() <= 0 || ::poll(&ready, 1, int(left.count())) <= 0) break;
    const ssize_t n = ::recv(wire.fd(), room, std::min(sizeof room, bytes - out.size()), 0);
    if (n <= 0) break;
    out.append(room, size_t(n));
  }
  return out;
}

}  // namespace mesh::support
