// MemoryTrimmer: gives memory back to the kernel after a peak of connections.
//
// What thousands of connections had is free once they are gone, and lies between what is
// kept: the allocator would hold on to its pages for ever. Main thread.
#pragma once

#include <functional>

#include "event/loop.h"
#include "event/timer.h"

namespace mesh::forward {

class MemoryTrimmer {
 public:
  static constexpr Duration kInterval = std::chrono::seconds(2);
  static constexpr size_t kPeakMin = 1000;  // fewer leave nothing worth the work

  // `connections` tells how many there are. `loop` outlives us.
  MemoryTrimmer(event::Loop& loop, std::function<size_t()> connections);

 private:
  void look();

  const std::function<size_t()> connections_;
  event::Timer timer_;
  size_t peak_ = 0;  // since the last time
};

}  // namespace mesh::forward
