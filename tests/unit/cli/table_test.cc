// The output forms of lists.

#include "cli/table.h"

#include <catch2/catch.hpp>

#include "base/text.h"

using namespace mesh;
using cli::Format;

namespace {

cli::Table services() {
  cli::Table table({{.title = "NAME"},
                    {.title = "REQUESTS", .number = true},
                    {.title = "LAST-SEEN", .wide = true},
                    {.title = "WHY"}});
  table.add({"reviews", "12", "3s ago", "all is well"}, "service/default/reviews");
  table.add({"two words", "1000", "", ""});
  return table;
}

}  // namespace

TEST_CASE("table: columns are aligned and can be cut with awk", "[cli]") {
  CHECK(services().format(Format::Table) ==
        "NAME       REQUESTS  WHY\n"
        "reviews          12  all is well\n"
        "two_words      1000  -\n");
  CHECK(services().format(Format::Wide) ==
        "NAME       REQUESTS  LAST-SEEN  WHY\n"
        "reviews          12  3s_ago     all is well\n"
        "two_words      1000  -          -\n");
}

TEST_CASE("table: json is an object a line, names are for pipes", "[cli]") {
  CHECK(services().format(Format::Json) ==
        "{\"name\":\"reviews\",\"requests\":12,\"last_seen\":\"3s ago\",\"why\":\"all is well\"}\n"
        "{\"name\":\"two words\",\"requests\":1000,\"last_seen\":\"\",\"why\":\"\"}\n");
  CHECK(services().format(Format::Name) == "service/default/reviews\ntwo words\n");
}

TEST_CASE("table: yaml is a document an object", "[cli]") {
  CHECK(services().format(Format::Yaml) ==
        "---\nname: \"reviews\"\nrequests: 12\nlast_seen: \"3s ago\"\nwhy: \"all is well\"\n"
        "---\nname: \"two words\"\nrequests: 1000\nlast_seen: \"\"\nwhy: \"\"\n");
}

TEST_CASE("table: only what is a number is one in json", "[cli]") {
  cli::Table table({{.title = "N", .number = true}});
  struct Row {
    const char* cell;
    const char* json;
  };
  const Row rows[] = {{"0", "0"},     {"-1.5", "-1.5"}, {"007", "null"}, {"", "null"},
                      {"1.", "null"}, {"3s", "null"},   {"nan", "null"}, {"1-2", "null"}};
  std::string want;
  for (const Row& row : rows) {
    table.add({row.cell});
    want += std::string("{\"n\":") + row.json + "}\n";
  }
  CHECK(table.format(Format::Json) == want);
}

TEST_CASE("table: lines over the width are cut in the last column", "[cli]") {
  cli::Table table({{.title = "NAME"}, {.title = "WHY"}});
  table.add({"a", std::string(200, 'x')});
  const std::string out = table.format(Format::Table, 80);
  for (const auto line : text::split(out, '\n')) CHECK(line.size() <= 80);
  CHECK_THAT(out, Catch::Contains("xxx...\n"));
  CHECK(table.format(Format::Table).size() > 200);
}

TEST_CASE("output: yaml of any json", "[cli]") {
  const auto yaml = cli::json_to_yaml(
      R"({"a":{"b":[1,{"c":"x","d":[]}],"e":{}},"key with space":null,"f":[[1,2],[3]]})");
  REQUIRE(yaml);
  CHECK(*yaml ==
        "a:\n"
        "  b:\n"
        "  - 1\n"
        "  - c: \"x\"\n"
        "    d: []\n"
        "  e: {}\n"
        "\"key with space\": null\n"
        "f:\n"
        "-\n"
        "  - 1\n"
        "  - 2\n"
        "-\n"
        "  - 3\n");
  CHECK_FALSE(cli::json_to_yaml("{"));
}

TEST_CASE("output: forms, moments, bytes that are no text", "[cli]") {
  CHECK(*cli::parse_format("wide") == Format::Wide);
  CHECK_THAT(cli::parse_format("xml").error().text, Catch::Contains("expected table, wide, json"));
  const WallTime now{std::chrono::seconds(1'700'000'000)};
  CHECK(cli::format_when(now - std::chrono::seconds(192), now, false) == "3m12s");
  CHECK(cli::format_when(now + std::chrono::seconds(300), now, false) == "+5m0s");
  CHECK(cli::format_when(now, now, true) == "2023-11-14T22:13:20.000Z");
  CHECK(cli::json_string("a\"\xff\n") == "\"a\\\"\xef\xbf\xbd\\n\"");
  CHECK(cli::red("x", false) == "x");
  CHECK(cli::red("x", true) == "\x1b[31mx\x1b[0m");
}
