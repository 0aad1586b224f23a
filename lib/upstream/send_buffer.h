// SendBuffer: bytes on their way to a socket, in one block.
//
// The first block comes from the pool and goes back when all was sent; more than
// that grows on the heap and is given up as soon as it is empty. Senders bound
// it: they pause at http::Stream::kBufferedHigh. One thread.
#pragma once

#include <cstring>
#include <memory>
#include <string_view>

#include "http/read_buffer.h"

namespace mesh::upstream {

class SendBuffer {
 public:
  explicit SendBuffer(http::BlockPool& pool) : pool_(pool) {}  // outlives us
  ~SendBuffer() { clear(); }
  SendBuffer(const SendBuffer&) = delete;
  SendBuffer& operator=(const SendBuffer&) = delete;

  bool empty() const { return begin_ == end_; }
  size_t size() const { return end_ - begin_; }
  std::string_view view() const { return {block_.get() + begin_, size()}; }

  // Room for `n` bytes behind what there is; commit() says how many came.
  char* reserve(size_t n) {
    if (capacity_ - end_ < n) make_room(n);
    return block_.get() + end_;
  }
  void commit(size_t n) { end_ += n; }
  void append(std::string_view bytes) {
    std::memcpy(reserve(bytes.size()), bytes.data(), bytes.size());
    commit(bytes.size());
  }

  // `n` bytes at the front were sent.
  void consume(size_t n);
  void clear();

 private:
  void make_room(size_t n);

  http::BlockPool& pool_;
  std::unique_ptr<char[]> block_;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace mesh::upstream
