// MemoryTrimmer: gives memory back to the kernel after a peak of connections.
//
// What thousands of connections had is free once they are gone, and lies between what is
// kept: the allocator would hold on to its pages for ever. So when the process is larger by
// far than it was, and than its connections explain, free pages are given back. Main thread.
#pragma once

#include <cstdint>
#include <functional>

#include "event/loop.h"
#include "event/timer.h"

namespace mesh::forward {

class MemoryTrimmer {
 public:
  static constexpr Duration kInterval = std::chrono::seconds(2);
  static constexpr uint64_t kWorthBytes = 16U << 20;       // less is not worth the work
  static constexpr uint64_t kConnectionBytes = 32 * 1024;  // one explains so much

  // `connections` tells how many there are. `loop` outlives us.
  MemoryTrimmer(event::Loop& loop, std::function<size_t()> connections);

 private:
  void look();

  const std::function<size_t()> connections_;
  event::Timer timer_;
  uint64_t least_bytes_;  // resident, since the last time
};

}  // namespace mesh::forward
