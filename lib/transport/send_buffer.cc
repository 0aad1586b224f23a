#include "transport/send_buffer.h"

#include <algorithm>
#include <utility>

namespace mesh::transport {

using http::BlockPool;

std::span<iovec> SendBuffer::pieces(std::span<iovec> into) {
  if (size_ == 0 || into.empty()) return {};
  const auto piece = [](const Block& block) {
    return iovec{block.bytes.get() + block.begin, size_t(block.end - block.begin)};
  };
  into[0] = piece(front_);
  size_t count = 1;
  if (more_ == nullptr) return into.first(count);
  for (const Block& block : *more_) {
    if (count == into.size() || block.begin == block.end) break;
    into[count++] = piece(block);
  }
  return into.first(count);
}

// A block with room for `n` bytes becomes the last.
char* SendBuffer::add_block(size_t n) {
  Block* block = &back();
  if (block->begin != block->end) {
    if (more_ == nullptr) more_ = std::make_unique<std::vector<Block>>();
    block = &more_->emplace_back();
  } else {
    give_back(*block);
  }
  block->capacity = uint32_t(std::max(n, BlockPool::kBlockBytes));
  block->bytes = n <= BlockPool::kBlockBytes
                     ? pool_.take()
                     : std::make_unique_for_overwrite<char[]>(block->capacity);
  return block->bytes.get();
}

void SendBuffer::append(std::string_view bytes) {
  while (!bytes.empty()) {
    Block* last = &back();
    if (last->end == last->capacity) {
      add_block(1);
      last = &back();
    }
    const size_t n = std::min(bytes.size(), size_t(last->capacity - last->end));
    std::memcpy(last->bytes.get() + last->end, bytes.data(), n);
    last->end += uint32_t(n);
    size_ += n;
    bytes.remove_prefix(n);
  }
}

void SendBuffer::consume(size_t n) {
  size_ -= n;
  if (size_ == 0) return clear();
  size_t gone = 0;  // blocks of more_ that have moved up
  while (n >= front_.end - front_.begin) {
    n -= front_.end - front_.begin;
    give_back(front_);
    front_ = std::exchange((*more_)[gone++], {});
  }
  front_.begin += uint32_t(n);
  if (gone > 0) more_->erase(more_->begin(), more_->begin() + ptrdiff_t(gone));
}

void SendBuffer::clear() {
  give_back(front_);
  size_ = 0;
  if (more_ == nullptr) return;
  for (Block& block : *more_) give_back(block);
  more_->clear();
}

void SendBuffer::give_back(Block& block) {
  if (block.capacity == BlockPool::kBlockBytes) pool_.give(std::move(block.bytes));
  block = {};
}

}  // namespace mesh::transport
