// TcpOrigin: a TCP origin with a script, a thread for each connection.
//
// Blocking sockets; every wait has a deadline. None of the product's own code.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "support/http_peer.h"

namespace mesh::support {

class TcpOrigin {
 public:
  // What to do with a connection; it is closed when the call returns. The default
  // echoes until the peer's end.
  using Script = std::function<void(Wire& wire)>;

  // "127.0.0.1", "::1", or a path: "/...".
  explicit TcpOrigin(Script script = echo, const std::string& host = "127.0.0.1");
  ~TcpOrigin();
  TcpOrigin(const TcpOrigin&) = delete;
  TcpOrigin& operator=(const TcpOrigin&) = delete;

  uint16_t port() const { return port_; }
  size_t connections() const { return connections_; }

  static void echo(Wire& wire);

 private:
  void accept_loop();

  const Script script_;
  UniqueFd listener_;
  std::string path_;
  uint16_t port_ = 0;
  std::atomic<size_t> connections_{0};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::vector<int> open_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

// A client's connection to an address as the origin takes it; throws where nobody
// listens.
Wire connect_to(const std::string& host, uint16_t port);
// Up to `bytes` bytes, or what came before the end or the deadline.
std::string read_some(Wire& wire, size_t bytes, int timeout_ms = 10000);

}  // namespace mesh::support
