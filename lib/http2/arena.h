// Arena: the bytes of one stream's heads. Nothing moves until clear(), which
// keeps the first block for the next stream.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace mesh::http2 {

class Arena {
 public:
  // Room for `n` bytes.
  char* take(size_t n) {
    if (left_ < n) grow(n);
    char* const room = next_;
    next_ += n;
    left_ -= n;
    return room;
  }

  std::string_view copy(std::string_view bytes) {
    char* const room = take(bytes.size());
    if (!bytes.empty()) std::memcpy(room, bytes.data(), bytes.size());
    return {room, bytes.size()};
  }

  void clear() {
    if (blocks_.empty()) return;
    blocks_.resize(1);
    next_ = blocks_[0].get();
    left_ = kBlockBytes;
  }

 private:
  static constexpr size_t kBlockBytes = 2048;

  void grow(size_t n) {
    // The first block always has the standard size: clear() goes back to it.
    const size_t bytes = blocks_.empty() ? kBlockBytes : std::max(n, 4 * kBlockBytes);
    blocks_.emplace_back(new char[bytes]);
    next_ = blocks_.back().get();
    left_ = bytes;
    if (left_ < n) grow(n);
  }

  std::vector<std::unique_ptr<char[]>> blocks_;
  char* next_ = nullptr;
  size_t left_ = 0;
};

}  // namespace mesh::http2
