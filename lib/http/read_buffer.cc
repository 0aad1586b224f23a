#include "http/read_buffer.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/check.h"

namespace mesh::http {

namespace {
// A read into less room than this costs more than moving the unread bytes.
constexpr size_t kRoomWanted = 4 * 1024;
}  // namespace

std::unique_ptr<char[]> BlockPool::take() {
  if (kept_.empty()) return std::unique_ptr<char[]>(new char[kBlockBytes]);  // not zeroed
  std::unique_ptr<char[]> block = std::move(kept_.back());
  kept_.pop_back();
  return block;
}

void BlockPool::give(std::unique_ptr<char[]> block) {
  if (kept_.size() < kept_max_) kept_.push_back(std::move(block));
}

ReadBuffer::~ReadBuffer() {
  if (capacity_ == BlockPool::kBlockBytes) pool_.give(std::move(block_));
}

std::span<char> ReadBuffer::room() {
  if (!block_) {
    block_ = pool_.take();
    capacity_ = BlockPool::kBlockBytes;
  }
  if (begin_ == end_) {
    begin_ = end_ = pinned_;
  } else if (begin_ > pinned_ && capacity_ - end_ < kRoomWanted) {
    std::memmove(&block_[pinned_], &block_[begin_], end_ - begin_);
    end_ -= begin_ - pinned_;
    begin_ = pinned_;
  }
  return {block_.get() + end_, capacity_ - end_};
}

bool ReadBuffer::grow(size_t most) {
  if (pinned_ > 0) return false;
  const size_t doubled = std::max(capacity_ * 2, BlockPool::kBlockBytes);
  if (doubled > most) return false;
  std::unique_ptr<char[]> larger(new char[doubled]);
  const size_t unread_bytes = end_ - begin_;
  if (unread_bytes > 0) std::memcpy(larger.get(), &block_[begin_], unread_bytes);
  if (capacity_ == BlockPool::kBlockBytes) pool_.give(std::move(block_));
  block_ = std::move(larger);
  capacity_ = doubled;
  begin_ = 0;
  end_ = unread_bytes;
  return true;
}

bool ReadBuffer::make_room_behind(size_t n, size_t behind) {
  if (capacity_ - begin_ >= n + behind) return false;
  MESH_CHECK(pinned_ == 0);
  if (capacity_ >= n + behind) {
    std::memmove(&block_[0], &block_[begin_], end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    return true;
  }
  while (capacity_ < n + behind) MESH_CHECK(grow(SIZE_MAX));
  return true;
}

void ReadBuffer::release() {
  if (capacity_ == BlockPool::kBlockBytes)
    pool_.give(std::move(block_));
  else
    block_.reset();
  capacity_ = begin_ = end_ = 0;
}

}  // namespace mesh::http
