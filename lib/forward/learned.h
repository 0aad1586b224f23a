// Learned: what connections have taught about a listener; outlives configurations.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

namespace mesh::forward {

// The ports on which the server speaks first. Where clients are waited for, those of such a
// port are not kept waiting any more. Of most listeners it is their own port; one that
// captures has all. Any thread.
class Learned {
 public:
  bool server_first(uint16_t port) const {
    return (word(port).load(std::memory_order_relaxed) & bit(port)) != 0;
  }
  // True when that is new.
  bool learn_server_first(uint16_t port) {
    return (word(port).fetch_or(bit(port), std::memory_order_relaxed) & bit(port)) == 0;
  }
  // In their order.
  std::vector<uint16_t> server_first_ports() const {
    std::vector<uint16_t> ports;
    for (size_t i = 0; i < words_.size(); ++i) {
      if (words_[i].load(std::memory_order_relaxed) == 0) continue;
      for (uint32_t port = uint32_t(i * 64); port < i * 64 + 64; ++port)
        if (server_first(uint16_t(port))) ports.push_back(uint16_t(port));
    }
    return ports;
  }

 private:
  static uint64_t bit(uint16_t port) { return uint64_t(1) << (port % 64); }
  std::atomic<uint64_t>& word(uint16_t port) { return words_[port / 64]; }
  const std::atomic<uint64_t>& word(uint16_t port) const { return words_[port / 64]; }

  std::array<std::atomic<uint64_t>, 1024> words_{};
};

}  // namespace mesh::forward
