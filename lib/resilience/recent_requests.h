// RecentRequests: how many requests of a cluster began within the last while.
//
// For RetryBudget::interval. The window moves by tenths of it. Any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/clock.h"

namespace mesh::resilience {

class alignas(64) RecentRequests {
 public:
  // `interval` is over 0; when it changes, what was counted by the former may be lost.
  void begin(Instant now, Duration interval);
  uint64_t count(Instant now, Duration interval) const;

 private:
  static constexpr uint32_t kTenths = 10;
  static uint32_t tenth(Instant now, Duration interval);

  // Each holds which tenth it counts (the upper half) and how many began in it.
  std::array<std::atomic<uint64_t>, kTenths> slots_{};
};

}  // namespace mesh::resilience
