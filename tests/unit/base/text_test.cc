// The language of durations, names and messages.

#include "base/text.h"

#include <catch2/catch.hpp>

using namespace mesh;
using namespace std::chrono_literals;

TEST_CASE("text: durations that are read, and how they print", "[base]") {
  struct Row {
    const char* text;
    Duration want;
    const char* prints;
  };
  const Row rows[] = {
      {"0s", 0s, "0s"},
      {"300ms", 300ms, "300ms"},
      {"10s", 10s, "10s"},
      {"5m", 5min, "5m"},
      {"2h", 2h, "2h"},
      {"1.5s", 1500ms, "1s500ms"},
      {"0.25s", 250ms, "250ms"},
      {"1h30m", 90min, "1h30m"},
      {"1h0m", 1h, "1h"},
      {"90s", 90s, "1m30s"},
      {"250us", 250us, "250us"},
      {"7ns", 7ns, "7ns"},
      {"1.50000s", 1500ms, "1s500ms"},
      {"87600h", 87600h, "87600h"},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.text) {
      const auto parsed = text::parse_duration(row.text);
      REQUIRE(parsed);
      CHECK(*parsed == row.want);
      CHECK(text::format_duration(row.want) == row.prints);
      CHECK(*text::parse_duration(row.prints) == row.want);
    }
  }
}

TEST_CASE("text: what is no duration is refused with an example", "[base]") {
  for (const char* const bad : {"",        "10",        "s",    "-5s",   "+5s",
                                " 5s",     "5s ",       "5 s",  "1.s",   ".5s",
                                "5d",      "5S",        "1e3s", "1..5s", "10000000000000s",
                                "999999h", "1h999999h", "0x5s", "1.5ns", "1.0000000001s",
                                "5m3"}) {
    DYNAMIC_SECTION('"' << bad << '"') {
      const auto parsed = text::parse_duration(bad);
      REQUIRE_FALSE(parsed);
      CHECK(parsed.error().kind == Errc::Invalid);
      CHECK_THAT(parsed.error().text, Catch::Contains("such as 300ms"));
    }
  }
}

TEST_CASE("text: ages in two leading units", "[base]") {
  CHECK(text::format_age(0s) == "0s");
  CHECK(text::format_age(59s + 999ms) == "59s");
  CHECK(text::format_age(192s) == "3m12s");
  CHECK(text::format_age(5h + 10min + 3s) == "5h10m");
  CHECK(text::format_age(24h * 9 + 3h) == "9d");
}

TEST_CASE("text: whole numbers and nothing else", "[base]") {
  CHECK(*text::parse_uint("0") == 0);
  CHECK(*text::parse_uint("18446744073709551615") == UINT64_MAX);
  CHECK(*text::parse_uint("65535", 65535) == 65535);
  for (const char* const bad : {"", "-1", "+1", " 1", "1 ", "1.0", "0x1", "18446744073709551616"})
    CHECK_FALSE(text::parse_uint(bad));
  CHECK_FALSE(text::parse_uint("65536", 65535));
}

TEST_CASE("text: splitting and joining are each other's way back", "[base]") {
  for (const char* const line : {"", "a", "a,b", ",a", "a,", ",", "a,,b"}) {
    std::vector<std::string> parts;
    for (const auto part : text::split(line, ',')) parts.emplace_back(part);
    CHECK(text::join(parts, ",") == line);
  }
  CHECK(text::split("a,,b", ',').size() == 3);
  CHECK(text::trim(" \t a b\t ") == "a b");
}

TEST_CASE("text: hex", "[base]") {
  CHECK(text::to_hex(std::string_view("\x00\xff\x10", 3)) == "00ff10");
  CHECK(*text::from_hex("00FF10") == std::string("\x00\xff\x10", 3));
  for (const char* const bad : {"0", "0g", "-1", "+1", " 1"}) CHECK_FALSE(text::from_hex(bad));
}

TEST_CASE("text: the nearest word, and none where none is near", "[base]") {
  const std::string_view names[] = {"apply", "status", "validate", "get"};
  CHECK(text::nearest("aply", names) == "apply");
  CHECK(text::nearest("STATUS", names) == "status");
  CHECK(text::nearest("validte", names) == "validate");
  CHECK(text::nearest("frobnicate", names).empty());
  CHECK(text::nearest("", names).empty());
}

TEST_CASE("text: what others sent is quoted, cut, and cannot forge a line", "[base]") {
  CHECK(text::quoted("a\"b\\c\n\x7f") == "\"a\\\"b\\\\c\\x0a\\x7f\"");
  const std::string out = text::quoted(std::string(1000, 'x'));
  CHECK(out.size() < 100);
  CHECK_THAT(out, Catch::EndsWith("...\""));
}

TEST_CASE("text: times are RFC 3339 in UTC", "[base]") {
  CHECK(text::format_time(WallTime(1'700'000'000s + 42ms)) == "2023-11-14T22:13:20.042Z");
}
