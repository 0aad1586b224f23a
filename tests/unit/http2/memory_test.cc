// The allocator under nghttp2: blocks keep their bytes, come back, and are bounded.
#include "http2/memory.h"

#include <catch2/catch.hpp>
#include <cstdint>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

nghttp2_mem& mem() { return *mesh::http2::memory(); }
void* take(size_t bytes) { return mem().malloc(bytes, mem().mem_user_data); }
void give(void* block) { mem().free(block, mem().mem_user_data); }

}  // namespace

TEST_CASE("http2 memory: every size is writable, aligned and its own", "[http2]") {
  std::vector<std::pair<char*, size_t>> blocks;
  for (size_t bytes = 0; bytes < 5000; bytes += 7) {
    auto* const block = static_cast<char*>(take(bytes));
    REQUIRE(block != nullptr);
    CHECK(reinterpret_cast<uintptr_t>(block) % alignof(std::max_align_t) == 0);
    std::memset(block, int(blocks.size() % 251), bytes);
    blocks.emplace_back(block, bytes);
  }
  for (size_t i = 0; i < blocks.size(); ++i) {
    const auto [block, bytes] = blocks[i];
    CHECK(std::string(block, bytes) == std::string(bytes, char(i % 251)));
    give(block);
  }
  give(nullptr);
}

TEST_CASE("http2 memory: what is given back is used again, and zeroed when asked", "[http2]") {
  void* const block = take(300);
  std::memset(block, 0xee, 300);
  give(block);
  void* const zeroed = mem().calloc(3, 100, mem().mem_user_data);
  CHECK(zeroed == block);
  CHECK(std::string(static_cast<char*>(zeroed), 300) == std::string(300, '\0'));
  give(zeroed);
  CHECK(mem().calloc(SIZE_MAX / 2, 4, mem().mem_user_data) == nullptr);
  CHECK(take(SIZE_MAX) == nullptr);
}

TEST_CASE("http2 memory: growing keeps what was written", "[http2]") {
  auto* block = static_cast<char*>(mem().realloc(nullptr, 10, nullptr));
  size_t filled = 0;
  for (size_t bytes = 10; bytes < 100'000; bytes = bytes * 3 / 2) {
    block = static_cast<char*>(mem().realloc(block, bytes, nullptr));
    REQUIRE(block != nullptr);
    CHECK(std::string(block, filled) == std::string(filled, 'x'));
    std::memset(block, 'x', bytes);
    filled = bytes;
  }
  give(block);
}

TEST_CASE("http2 memory: a block may end on another thread", "[http2]") {
  std::vector<void*> blocks;
  for (int i = 0; i < 5000; ++i) blocks.push_back(take(100));
  std::thread([&] {
    for (void* const block : blocks) give(block);
  }).join();
  void* const one = take(100);
  std::memset(one, 1, 100);
  give(one);
}
