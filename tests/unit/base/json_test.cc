#include "base/json.h"

#include <catch2/catch.hpp>

namespace {

using namespace mesh;

std::string quoted(std::string_view text) {
  std::string out;
  json::append_string(text, out);
  return out;
}

TEST_CASE("json: strings are valid whatever they held") {
  struct Row {
    std::string_view text, expected;
  };
  const auto row = GENERATE(values<Row>({
      {"", R"("")"},
      {"plain", R"("plain")"},
      {"a\"b\\c", R"("a\"b\\c")"},
      {"\n\r\t\x01\x7f", R"("\n\r\t\u0001\u007f")"},
      {"gr\xC3\xBC\xC3\x9F", "\"gr\xC3\xBC\xC3\x9F\""},
      {"\xF0\x9F\x98\x80", "\"\xF0\x9F\x98\x80\""},
      {"\xFFz", "\"\xEF\xBF\xBDz\""},                // no UTF-8
      {"\xC0\xAF", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},  // overlong
      {"\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
      {"\xE2\x82", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},  // cut short
  }));
  CHECK(quoted(row.text) == row.expected);
}

TEST_CASE("json: a document is indented by one blank a level") {
  json::Writer w;
  w.object().field("name", "a").key("ports").list().number(80).number(81).end();
  w.key("none").list().end().key("real").real(0.5).key("not").real(0.0 / 0.0);
  w.key("yes").boolean(true).key("inner").object().key("n").null().end().end();
  CHECK(w.take() ==
        "{\n \"name\": \"a\",\n \"ports\": [\n  80,\n  81\n ],\n \"none\": [],\n \"real\": 0.5,\n"
        " \"not\": null,\n \"yes\": true,\n \"inner\": {\n  \"n\": null\n }\n}\n");
}

}  // namespace
