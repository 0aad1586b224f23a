#include "forward/memory_trimmer.h"

#include <malloc.h>

#include <algorithm>
#include <utility>

#include "forward/overload.h"

namespace mesh::forward {

MemoryTrimmer::MemoryTrimmer(event::Loop& loop, std::function<size_t()> connections)
    : connections_(std::move(connections)),
      timer_(loop, [this] { look(); }),
      least_bytes_(resident_bytes()) {
  timer_.arm(kInterval);
}

// Workers that allocate meanwhile wait for a few milliseconds: only where it is worth that.
void MemoryTrimmer::look() {
  const uint64_t now = resident_bytes();
  if (now > least_bytes_ + kWorthBytes + connections_() * kConnectionBytes) {
    malloc_trim(0);
    least_bytes_ = resident_bytes();
  }
  least_bytes_ = std::min(least_bytes_, now);
  timer_.arm(kInterval);
}

}  // namespace mesh::forward
