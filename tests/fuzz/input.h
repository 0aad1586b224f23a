// What fuzzers of several steps share: the input taken apart byte by byte.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace fuzz {

// What an invariant that does not hold ends.
inline void must(bool holds) {
  if (!holds) abort();
}

struct Input {
  const uint8_t* data;
  size_t size;
  bool empty() const { return size == 0; }
  uint8_t byte() {  // 0 behind the end
    if (size == 0) return 0;
    --size;
    return *data++;
  }
  std::string bytes(size_t most) {
    const size_t n = std::min(most, size);
    std::string out(reinterpret_cast<const char*>(data), n);
    data += n;
    size -= n;
    return out;
  }
};

}  // namespace fuzz
