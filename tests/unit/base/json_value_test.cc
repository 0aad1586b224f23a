// JSON of others: what is read, and what is refused.
#include "base/json_value.h"

#include <catch2/catch.hpp>

using namespace mesh;

TEST_CASE("json: a document of every kind", "[base]") {
  const auto read = json::parse(
      R"( {"a": [1, -2.5e1, true, null], "b": {"c": "x\u00e9\n\ud83d\ude00"}, "": "ü"} )");
  REQUIRE(read);
  const json::Value& a = *read->find("a");
  CHECK(a.items.size() == 4);
  CHECK(a.items[0].integer() == 1);
  CHECK(a.items[1].number == -25);
  CHECK(a.items[1].text == "-2.5e1");
  CHECK(a.items[2].boolean);
  CHECK(a.items[3].kind == json::Value::Kind::Null);
  CHECK(read->find("b")->find("c")->text == "x\xc3\xa9\n\xf0\x9f\x98\x80");
  CHECK(read->find("")->text == "\xc3\xbc");
  CHECK(read->find("d") == nullptr);
  CHECK(a.find("d") == nullptr);
}

TEST_CASE("json: whole numbers", "[base]") {
  const auto whole = [](const std::string& text) {
    const auto read = json::parse(text);
    REQUIRE(read);
    return read->integer();
  };
  CHECK(whole("0") == 0);
  CHECK(whole("9223372036854775807") == INT64_MAX);
  CHECK(whole("1e3") == 1000);
  CHECK(whole("5.0") == 5);
  CHECK(whole("5.5") == std::nullopt);
  CHECK(whole("1e300") == std::nullopt);
  CHECK(whole("\"5\"") == std::nullopt);
}

TEST_CASE("json: what is refused", "[base]") {
  const std::pair<const char*, std::string> rows[] = {
      {"nothing", ""},
      {"something behind it", "1 2"},
      {"a comma at the end", "[1,]"},
      {"a name without quotes", "{a: 1}"},
      {"a member twice", R"({"a":1,"b":2,"a":3})"},
      {"a member twice, escaped", R"({"a":1,"\u0061":3})"},
      {"a leading zero", "01"},
      {"a plus", "+1"},
      {"no digit behind the point", "1."},
      {"a number beyond all", "1e999"},
      {"a word", "nul"},
      {"another word", "True"},
      {"a control byte", "\"a\nb\""},
      {"half a pair", R"("\ud83d")"},
      {"the other half", R"("\ude00")"},
      {"no such escape", R"("\x41")"},
      {"bytes that are not UTF-8", "\"\xff\""},
      {"an overlong form", "\"\xc0\x80\""},
      {"a surrogate in UTF-8", "\"\xed\xa0\x80\""},
      {"a string without an end", "\"abc"},
      {"a list without an end", "[1"},
      {"a NUL", std::string("1\0", 2)},
  };
  for (const auto& [why, text] : rows) DYNAMIC_SECTION(why) {
      const auto read = json::parse(text);
      REQUIRE_FALSE(read);
      CHECK(read.error().kind == Errc::Invalid);
    }
}

TEST_CASE("json: depth and count are bounded", "[base]") {
  CHECK(json::parse(std::string(30, '[') + std::string(30, ']')));
  const auto deep = json::parse(std::string(100'000, '['));
  REQUIRE_FALSE(deep);
  CHECK(deep.error().kind == Errc::TooBig);
  const auto many = json::parse("[1,1,1,1,1]", {.depth_max = 4, .values_max = 5});
  REQUIRE_FALSE(many);
  CHECK(many.error().kind == Errc::TooBig);
}
