// What a command line may say.

#include "cli/options.h"

#include <catch2/catch.hpp>

using namespace mesh;

namespace {

const cli::Option kOptions[] = {
    {"-f,--file", "FILE", "a file"},
    {"-v,--verbose", "", "more"},
    {"-n", "", "only short"},
    {"--run-dir", "DIR", "only long"},
    {"--timeout", "DURATION", "how long"},
};

Result<cli::Arguments> parse(std::vector<std::string> line) { return cli::parse(kOptions, line); }

}  // namespace

TEST_CASE("options: values, flags, words", "[cli]") {
  const auto args = parse({"one", "-f", "a", "--file=b", "-vvn", "two", "-f", "-", "-"});
  REQUIRE(args);
  const auto files = args->all("--file");
  CHECK(std::vector<std::string>(files.begin(), files.end()) ==
        std::vector<std::string>{"a", "b", "-"});
  CHECK(args->get("--file") == "-");
  CHECK(args->count("--verbose") == 2);
  CHECK(args->has("-n"));
  CHECK_FALSE(args->has("--run-dir"));
  CHECK(args->get("--run-dir", "here") == "here");
  const auto words = args->words();
  CHECK(std::vector<std::string>(words.begin(), words.end()) ==
        std::vector<std::string>{"one", "two", "-"});
}

TEST_CASE("options: after -- all are words", "[cli]") {
  const auto args = parse({"-v", "--", "--file", "-x"});
  REQUIRE(args);
  CHECK(args->words().size() == 2);
  CHECK(args->words()[0] == "--file");
  CHECK_FALSE(args->has("--file"));
}

TEST_CASE("options: what is wrong is said in words", "[cli]") {
  struct Row {
    std::vector<std::string> line;
    const char* says;
  };
  const Row rows[] = {
      {{"--frobnicate"}, "unknown option --frobnicate"},
      {{"--run-dri", "x"}, "did you mean --run-dir?"},
      {{"--fil=x"}, "unknown option --fil; did you mean --file?"},
      {{"-x"}, "unknown option -x"},
      {{"--file"}, "--file"},
      {{"-f"}, "needs a value"},
      {{"word", "caf\xe9"}, "\"caf\\xe9\" is not UTF-8"},
      {{"--file=caf\xe9"}, "caf\\xe9\" is not UTF-8"},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.line[0]) {
      const auto args = parse(row.line);
      REQUIRE_FALSE(args);
      CHECK(args.error().kind == Errc::Invalid);
      CHECK_THAT(args.error().text, Catch::Contains(row.says));
    }
  }
}

TEST_CASE("options: durations name their option where they are none", "[cli]") {
  using namespace std::chrono_literals;
  CHECK(*parse({"--timeout", "300ms"})->duration("--timeout", 1s) == 300ms);
  CHECK(*parse({})->duration("--timeout", 1s) == 1s);
  const auto args = parse({"--timeout", "10"});
  const auto bad = args->duration("--timeout", 1s);
  REQUIRE_FALSE(bad);
  CHECK_THAT(bad.error().text, Catch::StartsWith("--timeout: expected a duration"));
}

TEST_CASE("options: help is aligned", "[cli]") {
  CHECK(cli::format_options(kOptions) ==
        "  -f, --file FILE         a file\n"
        "  -v, --verbose           more\n"
        "  -n                      only short\n"
        "      --run-dir DIR       only long\n"
        "      --timeout DURATION  how long\n");
}
