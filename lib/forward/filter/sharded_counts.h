// ShardedCounts: a few counters that all workers add to, each on a line of its own, so
// that none waits for another's. Any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "forward/filter/thread_slot.h"

namespace mesh::forward::filter {

template <size_t N>
class ShardedCounts {
 public:
  void add(size_t which) {
    shards_[thread_slot() % kShards].counts[which].fetch_add(1, std::memory_order_relaxed);
  }
  uint64_t sum(size_t which) const {
    uint64_t total = 0;
    for (const Shard& shard : shards_) total += shard.counts[which].load(std::memory_order_relaxed);
    return total;
  }

 private:
  static constexpr size_t kShards = 16;
  struct alignas(64) Shard {
    std::array<std::atomic<uint64_t>, N> counts{};
  };
  std::array<Shard, kShards> shards_{};
};

}  // namespace mesh::forward::filter
