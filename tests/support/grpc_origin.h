// GrpcOrigin: a server of unary gRPC calls in clear text, with a script.
//
// Frames are written by hand and fields are not read: it shares no code with what is tested.
// Each connection has a thread; every wait has a deadline.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"

namespace mesh::support {

class GrpcOrigin {
 public:
  // A message for a message; nullopt ends the call with INTERNAL. Runs in a connection's
  // thread, one call at a time.
  using Handler = std::function<std::optional<std::string>(const std::string& message)>;

  explicit GrpcOrigin(Handler handler);
  ~GrpcOrigin();
  GrpcOrigin(const GrpcOrigin&) = delete;
  GrpcOrigin& operator=(const GrpcOrigin&) = delete;

  uint16_t port() const { return port_; }
  void handle(Handler handler);
  // Calls are taken and not answered, from now on.
  void fall_silent() { silent_ = true; }
  size_t calls() const { return calls_; }
  // Streams that the client gave up.
  size_t resets() const { return resets_; }

 private:
  void accept_loop();
  void serve(int fd);
  std::string answer(uint32_t stream, const std::string& framed);

  UniqueFd listener_;
  uint16_t port_ = 0;
  std::mutex mutex_;
  Handler handler_;
  std::atomic<bool> silent_{false};
  std::atomic<bool> stop_{false};
  std::atomic<size_t> calls_{0};
  std::atomic<size_t> resets_{0};
  std::vector<std::thread> connections_;
  std::thread acceptor_;
};

}  // namespace mesh::support
