// MemoryTrimmer: gives memory back to the kernel after a peak.
//
// What thousands of connections or a large answer had is free once they are gone, and lies
// between what is kept: the allocator would hold on to its pages for ever. So when the
// process is larger by far than it was, and than what it has now explains, free pages are
// given back. One thread; others that allocate meanwhile wait for some milliseconds.
#pragma once

#include <cstdint>
#include <functional>

#include "event/loop.h"
#include "event/timer.h"

namespace mesh::event {

class MemoryTrimmer {
 public:
  static constexpr Duration kInterval = std::chrono::seconds(2);

  // Growth of less than `worth_bytes` is not worth the work. `explained` tells how many
  // bytes there is a reason for. `loop` outlives us.
  MemoryTrimmer(Loop& loop, uint64_t worth_bytes, std::function<uint64_t()> explained);

 private:
  void look();

  const uint64_t worth_bytes_;
  const std::function<uint64_t()> explained_;
  Timer timer_;
  uint64_t least_bytes_;  // resident, since the last time
};

}  // namespace mesh::event
