// SendBuffer: bytes on their way to a socket, in blocks of the pool.
//
//   front [ sent | waiting ] -> more [ waiting ]* -> back [ waiting | free ]
//
// A backlog takes another block instead of moving what waits, and each block goes
// back when it was sent: nothing is held while nothing waits. Senders bound it:
// they pause at http::Stream::kBufferedHigh. One thread.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "http/read_buffer.h"

namespace mesh::transport {

class SendBuffer {
 public:
  explicit SendBuffer(http::BlockPool& pool) : pool_(pool) {}  // outlives us
  ~SendBuffer() { clear(); }
  SendBuffer(const SendBuffer&) = delete;
  SendBuffer& operator=(const SendBuffer&) = delete;

  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  // What waits, from the front on, as far as `into` has room for pieces.
  std::span<iovec> pieces(std::span<iovec> into);

  // Room for `n` bytes in one piece behind what there is; commit() says how many
  // came.
  char* reserve(size_t n) {
    if (Block& last = back(); last.capacity - last.end >= n) return last.bytes.get() + last.end;
    return add_block(n);
  }
  void commit(size_t n) {
    back().end += uint32_t(n);
    size_ += n;
    if (size_ == 0) clear();
  }
  void append(std::string_view bytes);

  // `n` bytes at the front were sent.
  void consume(size_t n);
  void clear();

 private:
  struct Block {
    std::unique_ptr<char[]> bytes;
    uint32_t capacity = 0;
    uint32_t begin = 0;
    uint32_t end = 0;
  };

  Block& back() { return more_ == nullptr || more_->empty() ? front_ : more_->back(); }
  char* add_block(size_t n);
  void give_back(Block& block);

  http::BlockPool& pool_;
  size_t size_ = 0;
  // Only the last may be empty.
  Block front_;
  std::unique_ptr<std::vector<Block>> more_;  // made for a backlog: few connections have one
};

}  // namespace mesh::transport
