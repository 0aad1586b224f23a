// Load: clients in threads that ask until told to stop.
#pragma once

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "support/http_peer.h"

namespace mesh::scenario {

// A connection that said goodbye is opened anew; anything but a 200 counts as lost.
class Load {
 public:
  Load(uint16_t port, int clients) {
    for (int i = 0; i < clients; ++i) threads_.emplace_back([this, port] { run(port); });
  }
  ~Load() { stop(); }
  void stop() {
    stopping_ = true;
    for (auto& thread : threads_)
      if (thread.joinable()) thread.join();
  }
  size_t answered() const { return answered_; }
  size_t lost() const { return lost_; }

 private:
  void run(uint16_t port) {
    std::optional<support::Wire> wire;
    while (!stopping_) {
      if (!wire) wire = support::Wire::try_connect(port);
      const bool sent = wire && wire->send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n");
      const support::Message answer = sent ? wire->read() : support::Message{};
      ++(answer.status == 200 ? answered_ : lost_);
      if (answer.status == 0 || answer.field("connection") == "close") wire.reset();
    }
  }

  std::atomic<bool> stopping_{false};
  std::atomic<size_t> answered_{0};
  std::atomic<size_t> lost_{0};
  std::vector<std::thread> threads_;
};

}  // namespace mesh::scenario
