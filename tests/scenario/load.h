// Load: clients in threads that ask until told to stop.
#pragma once

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "support/http2_peer.h"
#include "support/http_peer.h"

namespace mesh::scenario {

// A connection that said goodbye is opened anew; anything but a 200 counts as lost.
class Load {
 public:
  enum class Protocol { Http1, Http2 };

  Load(uint16_t port, int clients, Protocol protocol = Protocol::Http1) {
    for (int i = 0; i < clients; ++i)
      threads_.emplace_back([this, port, protocol] {
        protocol == Protocol::Http1 ? run_http1(port) : run_http2(port);
      });
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
  static constexpr int kStreams = 4;  // of HTTP/2, at once

  void run_http1(uint16_t port) {
    std::optional<support::Wire> wire;
    while (!stopping_) {
      if (!wire) wire = support::Wire::try_connect(port);
      const bool sent = wire && wire->send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n");
      const support::Message answer = sent ? wire->read() : support::Message{};
      ++(answer.status == 200 ? answered_ : lost_);
      if (answer.status == 0 || answer.field("connection") == "close") wire.reset();
    }
  }

  // What the peer says that it did not do is asked again, as any client does.
  void run_http2(uint16_t port) {
    std::optional<support::H2Client> client;
    while (!stopping_) {
      if (!client) client = support::H2Client::try_connect(port);
      if (!client) {
        ++lost_;
        continue;
      }
      const auto outcome = client->ask(kStreams);
      answered_ += size_t(outcome.good);
      lost_ += size_t(outcome.lost);
      if (client->over()) client.reset();
    }
  }

  std::atomic<bool> stopping_{false};
  std::atomic<size_t> answered_{0};
  std::atomic<size_t> lost_{0};
  std::vector<std::thread> threads_;
};

}  // namespace mesh::scenario
