// Dates as HTTP writes them: RFC 9110, 5.6.7.
#include "http/date.h"

#include <catch2/catch.hpp>

using namespace mesh;

TEST_CASE("date: the form of RFC 9110") {
  struct Row {
    int64_t seconds;
    const char* text;
  };
  const Row rows[] = {{784111777, "Sun, 06 Nov 1994 08:49:37 GMT"},
                      {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
                      {951827696, "Tue, 29 Feb 2000 12:34:56 GMT"},
                      {4107542399, "Sun, 28 Feb 2100 23:59:59 GMT"}};
  for (const Row& row : rows) {
    std::array<char, http::kDateBytes> text;
    const WallTime when{std::chrono::seconds(row.seconds) + std::chrono::milliseconds(999)};
    CHECK(http::format_date(when, text) == row.text);
  }
}
