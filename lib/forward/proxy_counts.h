// ProxyCounts: what listeners saw of the PROXY protocol, by Envoy's words. Over all workers and
// listeners. Any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace mesh::forward {

struct ProxyCounts {
  struct alignas(64) Version {
    std::atomic<uint64_t> found{0};
    std::atomic<uint64_t> disallowed{0};
    std::atomic<uint64_t> error{0};
  };
  std::array<Version, 2> versions;  // 1 and 2
  std::atomic<uint64_t> not_found_allowed{0};
  std::atomic<uint64_t> not_found_disallowed{0};
};

inline void count(std::atomic<uint64_t>& counter) {
  counter.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace mesh::forward
