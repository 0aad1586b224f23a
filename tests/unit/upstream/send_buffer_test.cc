// Bytes wait in order, whatever the blocks they wait in.
#include "upstream/send_buffer.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

using mesh::http::BlockPool;
using mesh::upstream::SendBuffer;

TEST_CASE("send buffer: what goes in comes out, across growth and partial sends", "[upstream]") {
  BlockPool pool;
  SendBuffer buffer(pool);
  std::string model;
  size_t n = 1;
  for (size_t i = 0; i < 400; ++i) {
    n = (n * 7919 + 13) % 3001;
    const std::string piece(n, char('a' + i % 26));
    buffer.append(piece);
    model += piece;
    CHECK(buffer.size() == model.size());
    const size_t taken = std::min(model.size(), (n * 31) % 4096);
    REQUIRE(buffer.view().substr(0, taken) == std::string_view(model).substr(0, taken));
    if (taken != 0) buffer.consume(taken);
    model.erase(0, taken);
  }
  REQUIRE(buffer.view() == model);
  if (!model.empty()) buffer.consume(model.size());
  CHECK(buffer.empty());
}

TEST_CASE("send buffer: room that was not used is given back", "[upstream]") {
  BlockPool pool;
  SendBuffer buffer(pool);
  char* room = buffer.reserve(100'000);
  std::fill(room, room + 100'000, 'x');
  buffer.commit(0);
  CHECK(buffer.empty());
  room = buffer.reserve(100'000);
  std::fill(room, room + 100'000, 'y');
  buffer.commit(100'000);
  CHECK(buffer.view() == std::string(100'000, 'y'));
}
