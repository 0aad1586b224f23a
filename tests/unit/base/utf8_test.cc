#include "base/utf8.h"

#include <catch2/catch.hpp>
#include <string>

namespace mesh::utf8 {
namespace {

TEST_CASE("utf8: the character at the front", "[base]") {
  struct Row {
    std::string text;
    size_t want;
  };
  const Row rows[] = {
      {"", 0},
      {std::string(1, '\0'), 1},
      {"a", 1},
      {"\x7f", 1},
      {"\xc2\x80", 2},
      {"\xdf\xbf rest", 2},
      {"\xe0\xa0\x80", 3},
      {"\xed\x9f\xbf", 3},
      {"\xef\xbf\xbd", 3},
      {"\xf0\x90\x80\x80", 4},
      {"\xf4\x8f\xbf\xbf", 4},
      {"\x80", 0},              // a tail alone
      {"\xc1\xbf", 0},          // overlong
      {"\xe0\x9f\xbf", 0},      // overlong
      {"\xf0\x8f\xbf\xbf", 0},  // overlong
      {"\xed\xa0\x80", 0},      // a surrogate
      {"\xf4\x90\x80\x80", 0},  // beyond the last
      {"\xf5\x80\x80\x80", 0},
      {"\xff", 0},
      {"\xc2", 0},  // cut
      {"\xe2\x82", 0},
      {"\xf0\x9f\x92", 0},
      {"\xe2\x82"
       "a",
       0},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(front_bytes(row.text) == row.want);
  }
}

TEST_CASE("a text is cut between its characters") {
  CHECK(cut("h\xc3\xa9llo", 99) == "h\xc3\xa9llo");
  CHECK(cut("h\xc3\xa9llo", 3) == "h\xc3\xa9");
  CHECK(cut("h\xc3\xa9llo", 2) == "h");
  CHECK(cut("\x80\x80\x80", 1).empty());
  CHECK(valid("h\xc3\xa9llo"));
  CHECK(valid(""));
  CHECK_FALSE(valid("h\xc3"));
}

TEST_CASE("what is no character is escaped for people") {
  CHECK(escaped("h\xc3\xa9llo\n") == "h\xc3\xa9llo\n");
  CHECK(escaped("h\xc3llo\xff") == "h\\xc3llo\\xff");
  CHECK(escaped("").empty());
}

}  // namespace
}  // namespace mesh::utf8
