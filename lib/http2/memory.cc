#include "http2/memory.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace mesh::http2 {
namespace {

// Sizes are powers of two from 64 bytes to 2 KiB, header included.
constexpr size_t kSmallestBits = 6;
constexpr size_t kSizes = 6;
constexpr size_t kKeptBytesMax = 128 * 1024;  // of each size

constexpr size_t bytes_of(size_t size) { return size_t(1) << (kSmallestBits + size); }
// The size that holds `bytes`; kSizes when none does.
constexpr size_t size_for(size_t bytes) {
  if (bytes <= bytes_of(0)) return 0;
  const size_t size = size_t(std::bit_width(bytes - 1)) - kSmallestBits;
  return size < kSizes ? size : kSizes;
}
static_assert(size_for(64) == 0 && size_for(65) == 1 && size_for(2048) == 5 &&
              size_for(2049) == kSizes);

// Before each block; `next` while it is kept.
struct alignas(std::max_align_t) Header {
  size_t size;
  Header* next;
};

struct Kept {
  Header* first = nullptr;
  size_t count = 0;
};

struct Cache {
  std::array<Kept, kSizes> kept;
  ~Cache() {
    for (Kept& list : kept)
      while (list.first != nullptr) {
        Header* const block = list.first;
        list.first = block->next;
        std::free(block);
      }
  }
};
thread_local Cache cache;

void* take(size_t bytes, void*) {
  if (bytes > PTRDIFF_MAX) return nullptr;
  const size_t size = size_for(bytes + sizeof(Header));
  Header* block = nullptr;
  if (size < kSizes && cache.kept[size].first != nullptr) {
    Kept& list = cache.kept[size];
    block = list.first;
    list.first = block->next;
    --list.count;
    return block + 1;
  }
  const size_t whole = size < kSizes ? bytes_of(size) : bytes + sizeof(Header);
  block = static_cast<Header*>(std::malloc(whole));
  if (block == nullptr) return nullptr;
  block->size = size;
  return block + 1;
}

void give(void* bytes, void*) {
  if (bytes == nullptr) return;
  Header* const block = static_cast<Header*>(bytes) - 1;
  const size_t size = block->size;
  if (size == kSizes || cache.kept[size].count >= kKeptBytesMax / bytes_of(size)) {
    std::free(block);
    return;
  }
  Kept& list = cache.kept[size];
  block->next = list.first;
  list.first = block;
  ++list.count;
}

void* take_zeroed(size_t count, size_t each, void* user) {
  size_t bytes = 0;
  if (__builtin_mul_overflow(count, each, &bytes)) return nullptr;
  void* const block = take(bytes, user);
  return block == nullptr ? nullptr : std::memset(block, 0, bytes);
}

// nghttp2 only grows by it, and seldom.
void* resize(void* bytes, size_t wanted, void* user) {
  if (bytes == nullptr) return take(wanted, user);
  Header* const block = static_cast<Header*>(bytes) - 1;
  if (block->size == kSizes) {
    if (wanted > PTRDIFF_MAX) return nullptr;
    auto* const moved = static_cast<Header*>(std::realloc(block, wanted + sizeof(Header)));
    return moved == nullptr ? nullptr : moved + 1;
  }
  const size_t room = bytes_of(block->size) - sizeof(Header);
  if (wanted <= room) return bytes;
  void* const larger = take(wanted, user);
  if (larger == nullptr) return nullptr;
  std::memcpy(larger, bytes, room);
  give(bytes, user);
  return larger;
}

}  // namespace

nghttp2_mem* memory() {
  static nghttp2_mem functions{nullptr, take, give, take_zeroed, resize};
  return &functions;
}

}  // namespace mesh::http2
