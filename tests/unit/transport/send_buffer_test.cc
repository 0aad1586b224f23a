// Bytes wait in order, whatever the blocks they wait in.
#include "transport/send_buffer.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

using mesh::http::BlockPool;
using mesh::transport::SendBuffer;

namespace {

std::string waiting(SendBuffer& buffer) {
  iovec pieces[64];
  std::string all;
  for (const iovec& piece : buffer.pieces(pieces)) {
    CHECK(piece.iov_len > 0);
    all.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
  }
  return all;
}

}  // namespace

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
    REQUIRE(waiting(buffer) == model);
    if (taken != 0) buffer.consume(taken);
    model.erase(0, taken);
  }
  REQUIRE(waiting(buffer) == model);
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
  CHECK(waiting(buffer) == std::string(100'000, 'y'));
}

TEST_CASE("send buffer: one thing in one piece, behind what waits", "[upstream]") {
  BlockPool pool;
  SendBuffer buffer(pool);
  std::string model;
  for (const size_t n : {9'000, 9'000, 40'000, 1, 16'384, 20'000}) {
    char* const room = buffer.reserve(n);
    std::fill(room, room + n, char('a' + model.size() % 26));
    buffer.commit(n);
    model.append(n, room[0]);
    buffer.append("and some");
    model += "and some";
    REQUIRE(waiting(buffer) == model);
  }
  for (const size_t n : {1, 8'999, 9'016, 50'000}) {
    buffer.consume(n);
    model.erase(0, n);
    REQUIRE(waiting(buffer) == model);
  }
  iovec two[2];
  CHECK(buffer.pieces(two).size() == 2);
  buffer.clear();
  CHECK(waiting(buffer).empty());
}
