// ReadBuffer: received bytes, in one block, for a codec to read in place.
//
//   [ pinned | consumed hole | unread | free ]
//
// The head of an HTTP/1 message is parsed where it lies and stays pinned until
// its stream is closed, since views point into it; body bytes behind it come
// and go. A block grows from `first` to `most` bytes for a long head and goes
// back to the pool when the buffer is empty: an idle connection holds none.
// One thread.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/check.h"

namespace mesh::http {

// Blocks of one size, kept for reuse; at most `kept_max` of them. One a worker.
class BlockPool {
 public:
  static constexpr size_t kBlockBytes = 16 * 1024;

  explicit BlockPool(size_t kept_max = 256) : kept_max_(kept_max) {}
  std::unique_ptr<char[]> take();
  void give(std::unique_ptr<char[]> block);

 private:
  const size_t kept_max_;
  std::vector<std::unique_ptr<char[]>> kept_;
};

class ReadBuffer {
 public:
  explicit ReadBuffer(BlockPool& pool) : pool_(pool) {}  // outlives us
  ~ReadBuffer();
  ReadBuffer(const ReadBuffer&) = delete;
  ReadBuffer& operator=(const ReadBuffer&) = delete;

  // Room to receive into; takes a block when there is none. Empty when the
  // block is full: consume first, or grow().
  std::span<char> room();
  // `n` bytes were received into room().
  void received(size_t n) {
    MESH_CHECK(n <= capacity_ - end_);
    end_ += n;
  }

  // What was received and not consumed. Mutable: a parser lowers names.
  std::span<char> unread() { return {block_.get() + begin_, end_ - begin_}; }
  void consume(size_t n) {
    MESH_CHECK(n <= end_ - begin_);
    begin_ += n;
  }

  // Pins everything consumed so far: it keeps its place until unpin(). Moving
  // the block by grow() is refused while anything is pinned.
  void pin() { pinned_ = begin_; }
  void unpin() { pinned_ = 0; }
  bool pinned() const { return pinned_ > 0; }

  // Doubles the block, moving it, up to `most` bytes; false at that limit.
  bool grow(size_t most);
  // Makes the block reach `behind` bytes past the first `n` unread bytes, so
  // that those can be pinned and reading goes on. True when bytes were moved.
  // Nothing may be pinned.
  bool make_room_behind(size_t n, size_t behind);

  // Gives the block back when nothing is unread or pinned.
  void release_if_empty() {
    if (block_ && pinned_ == 0 && begin_ == end_) release();
  }

 private:
  void release();

  BlockPool& pool_;
  std::unique_ptr<char[]> block_;
  size_t capacity_ = 0;
  size_t pinned_ = 0;  // [0, pinned_) may not move or be overwritten
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace mesh::http
