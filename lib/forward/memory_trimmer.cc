#include "forward/memory_trimmer.h"

#include <malloc.h>

#include <algorithm>
#include <utility>

namespace mesh::forward {

MemoryTrimmer::MemoryTrimmer(event::Loop& loop, std::function<size_t()> connections)
    : connections_(std::move(connections)), timer_(loop, [this] { look(); }) {
  timer_.arm(kInterval);
}

// Workers that allocate meanwhile wait for a few milliseconds: only when most is over.
void MemoryTrimmer::look() {
  const size_t now = connections_();
  peak_ = std::max(peak_, now);
  if (peak_ >= kPeakMin && now <= peak_ / 4) {
    malloc_trim(0);
    peak_ = now;
  }
  timer_.arm(kInterval);
}

}  // namespace mesh::forward
