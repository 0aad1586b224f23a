// Trace context and request ids: mesh-metrics(7), "TRACES".

#include "telemetry/trace_context.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "telemetry/request_id.h"

using namespace mesh;
using namespace mesh::telemetry;

TEST_CASE("traceparent: read as written, else as none", "[telemetry]") {
  struct Row {
    const char* because;
    std::string_view value;
    bool want;
  };
  const Row rows[] = {
      {"version 00", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true},
      {"unknown flags", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff", true},
      {"a later version", "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true},
      {"a later, longer one", "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", true},
      {"longer without a dash", "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x", false},
      {"version 00 may not be longer", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
       false},
      {"version ff", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false},
      {"upper case", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false},
      {"zero trace", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", false},
      {"zero parent", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false},
      {"other separators", "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01", false},
      {"no hex", "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01", false},
      {"cut short", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0", false},
      {"empty", "", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.because);
    CHECK(parse_traceparent(row.value).has_value() == row.want);
  }
}

TEST_CASE("traceparent: a child keeps the trace and is its own parent", "[telemetry]") {
  Random random(3);
  const auto parent = parse_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  REQUIRE(parent);
  const TraceContext child = child_of(*parent, random);
  std::array<char, kTraceparentBytes> buffer;
  const std::string text(format_traceparent(child, buffer));
  CHECK(text.substr(0, 36) == "00-4bf92f3577b34da6a3ce929d0e0e4736-");
  CHECK(text.substr(36, 16) != "00f067aa0ba902b7");
  CHECK(text.ends_with("-01"));
  const auto again = parse_traceparent(text);
  REQUIRE(again);
  CHECK(again->parent_id == child.parent_id);
  const TraceContext fresh = new_trace(false, random);
  CHECK(parse_traceparent(format_traceparent(fresh, buffer)));
  CHECK(std::string(buffer.data(), buffer.size()).ends_with("-00"));
}

TEST_CASE("tracestate: carried when well-formed", "[telemetry]") {
  for (const auto* good : {"rojo=00f067aa0ba902b7", "rojo=1,congo=t61rcWkgMzE", "a=1 , b=2",
                           "1tenant@vendor=x", "a=1,,b=2", "a=with blank"})
    CHECK(valid_tracestate(good));
  for (const auto* bad : {"", "novalue", "=x", "A=1", "a=", "a=b=c", "a=\x01", "a@=1", "@v=1"})
    CHECK_FALSE(valid_tracestate(bad));
  CHECK_FALSE(valid_tracestate("a=" + std::string(600, 'x')));
  std::string many;
  for (int i = 0; i < 33; ++i) many += "a" + std::to_string(i) + "=1,";
  CHECK_FALSE(valid_tracestate(many));
}

TEST_CASE("request id: a version 4 UUID, each another", "[telemetry]") {
  Random random(1);
  std::set<std::string> seen;
  for (int i = 0; i < 10000; ++i) {
    std::array<char, kRequestIdBytes> buffer;
    const std::string id(make_request_id(random, buffer));
    REQUIRE(id.size() == 36);
    REQUIRE(id[14] == '4');
    REQUIRE(std::string("89ab").find(id[19]) != std::string::npos);
    REQUIRE((id[8] == '-' && id[13] == '-' && id[18] == '-' && id[23] == '-'));
    REQUIRE(id.find_first_not_of("0123456789abcdef-") == std::string::npos);
    seen.insert(id);
  }
  CHECK(seen.size() == 10000);
  CHECK(valid_request_id("abc-123"));
  for (const auto* bad : {"", "a b", "a\n", "\xc3\xa9"}) CHECK_FALSE(valid_request_id(bad));
  CHECK_FALSE(valid_request_id(std::string(129, 'a')));
}
