#include "resilience/recent_requests.h"

#include <algorithm>

namespace mesh::resilience {

// From 1: a slot of 0 was never used.
uint32_t RecentRequests::tenth(Instant now, Duration interval) {
  const Duration width = std::max(interval / kTenths, Duration(1));
  return uint32_t(now.time_since_epoch() / width) + 1;
}

void RecentRequests::begin(Instant now, Duration interval) {
  const uint32_t at = tenth(now, interval);
  std::atomic<uint64_t>& slot = slots_[at % kTenths];
  uint64_t held = slot.load(std::memory_order_relaxed);
  uint64_t next = 0;
  do next = uint32_t(held >> 32) == at ? held + 1 : uint64_t(at) << 32 | 1;
  while (!slot.compare_exchange_weak(held, next, std::memory_order_relaxed));
}

uint64_t RecentRequests::count(Instant now, Duration interval) const {
  const uint32_t at = tenth(now, interval);
  uint64_t sum = 0;
  for (const auto& slot : slots_) {
    const uint64_t held = slot.load(std::memory_order_relaxed);
    if (at - uint32_t(held >> 32) < kTenths) sum += uint32_t(held);
  }
  return sum;
}

}  // namespace mesh::resilience
