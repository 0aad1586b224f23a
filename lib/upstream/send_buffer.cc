#include "upstream/send_buffer.h"

#include <algorithm>

namespace mesh::upstream {

void SendBuffer::make_room(size_t n) {
  if (block_ != nullptr && capacity_ - size() >= n && begin_ >= size()) {
    std::memcpy(block_.get(), block_.get() + begin_, size());
    end_ -= begin_;
    begin_ = 0;
    return;
  }
  if (block_ == nullptr && n <= http::BlockPool::kBlockBytes) {
    block_ = pool_.take();
    capacity_ = http::BlockPool::kBlockBytes;
    return;
  }
  const size_t used = size();
  const size_t capacity = std::max(capacity_ * 2, (used + n) * 2);
  auto bigger = std::make_unique_for_overwrite<char[]>(capacity);
  if (used != 0) std::memcpy(bigger.get(), block_.get() + begin_, used);
  clear();
  block_ = std::move(bigger);
  capacity_ = capacity;
  end_ = used;
}

void SendBuffer::consume(size_t n) {
  begin_ += n;
  if (begin_ == end_) clear();
}

void SendBuffer::clear() {
  if (block_ != nullptr && capacity_ == http::BlockPool::kBlockBytes) pool_.give(std::move(block_));
  block_.reset();
  capacity_ = begin_ = end_ = 0;
}

}  // namespace mesh::upstream
