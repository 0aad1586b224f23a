// The read buffer: what is pinned stays where it is, what is empty is given
// back, what is full grows to its limit.

#include "http/read_buffer.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <string>
#include <string_view>

using namespace mesh;

namespace {

void put(http::ReadBuffer& buffer, std::string_view bytes) {
  const auto room = buffer.room();
  REQUIRE(room.size() >= bytes.size());
  std::memcpy(room.data(), bytes.data(), bytes.size());
  buffer.received(bytes.size());
}

std::string_view text(http::ReadBuffer& buffer) {
  return {buffer.unread().data(), buffer.unread().size()};
}

}  // namespace

TEST_CASE("read buffer: bytes come and go behind a pinned head", "[http]") {
  http::BlockPool pool;
  http::ReadBuffer buffer(pool);
  put(buffer, "headbody");
  const char* head = buffer.unread().data();
  buffer.consume(4);
  buffer.pin();
  for (int i = 0; i < 100; ++i) {
    if (i > 0) put(buffer, std::string(1000, char('a' + i % 26)));
    buffer.consume(buffer.unread().size());
  }
  CHECK(std::string_view(head, 4) == "head");
  CHECK_FALSE(buffer.grow(1 << 20));
  buffer.release_if_empty();
  CHECK(std::string_view(head, 4) == "head");
  buffer.unpin();
  buffer.release_if_empty();
  CHECK(buffer.unread().data() == nullptr);
}

TEST_CASE("read buffer: unread bytes move down behind the pin, not over it", "[http]") {
  http::BlockPool pool;
  http::ReadBuffer buffer(pool);
  put(buffer, "head");
  const char* head = buffer.unread().data();
  buffer.consume(4);
  buffer.pin();
  put(buffer, std::string(15'000, 'x') + "rest");
  buffer.consume(15'000);
  CHECK(buffer.room().size() > 15'000);
  CHECK(text(buffer) == "rest");
  CHECK(std::string_view(head, 4) == "head");
}

TEST_CASE("read buffer: it grows to its limit", "[http]") {
  http::BlockPool pool;
  http::ReadBuffer buffer(pool);
  std::string all;
  while (true) {
    const auto room = buffer.room();
    if (room.empty()) {
      if (!buffer.grow(64 * 1024)) break;
      continue;
    }
    std::memset(room.data(), 'a' + int(all.size() % 7), room.size());
    all.append(room.data(), room.size());
    buffer.received(room.size());
  }
  CHECK(all.size() == 64 * 1024);
  CHECK(text(buffer) == all);
}

TEST_CASE("read buffer: room is made behind what will be pinned", "[http]") {
  http::BlockPool pool;
  http::ReadBuffer buffer(pool);
  put(buffer, std::string(8'000, 'a') + std::string(8'000, 'b'));
  CHECK_FALSE(buffer.make_room_behind(8'000, 4'096));
  buffer.consume(8'000);
  CHECK(buffer.make_room_behind(8'000, 4'096));  // moved down
  CHECK(text(buffer) == std::string(8'000, 'b'));
  CHECK(buffer.make_room_behind(8'000, 40'000));  // grown
  CHECK(text(buffer) == std::string(8'000, 'b'));
  buffer.consume(8'000);
  buffer.pin();
  CHECK(buffer.room().size() >= 40'000);
}

TEST_CASE("read buffer: blocks are used again", "[http]") {
  http::BlockPool pool(1);
  http::ReadBuffer one(pool);
  const char* block = one.room().data();
  one.release_if_empty();
  http::ReadBuffer two(pool);
  CHECK(two.room().data() == block);
}
