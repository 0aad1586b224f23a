#include "event/memory_trimmer.h"

#include <malloc.h>

#include <algorithm>
#include <utility>

#include "base/memory.h"

namespace mesh::event {

MemoryTrimmer::MemoryTrimmer(Loop& loop, uint64_t worth_bytes, std::function<uint64_t()> explained)
    : worth_bytes_(worth_bytes),
      explained_(std::move(explained)),
      timer_(loop, [this] { look(); }),
      least_bytes_(resident_bytes()) {
  timer_.arm(kInterval);
}

void MemoryTrimmer::look() {
  const uint64_t now = resident_bytes();
  if (now > least_bytes_ + worth_bytes_ + explained_()) {
    malloc_trim(0);
    least_bytes_ = resident_bytes();
  }
  least_bytes_ = std::min(least_bytes_, now);
  timer_.arm(kInterval);
}

}  // namespace mesh::event
