// What of a call counts, and as what.
#include "forward/filter/circuit_breaker.h"

#include <catch2/catch.hpp>

using namespace mesh;
using namespace mesh::forward;
using namespace std::chrono_literals;
using telemetry::Flag;

TEST_CASE("circuit breaker: how a call is judged", "[forward]") {
  resilience::BreakerRule rule;
  rule.policy.slow_share = {1};
  rule.policy.slow_after = 1s;
  rule.error_statuses = {429};
  struct Row {
    const char* says;
    filter::End end;
    const char* result;  // counted, error, timeout, slow
  };
  const Row rows[] = {
      {"answered", {.status = 200, .asked = true}, "c---"},
      {"not found is an answer", {.status = 404, .asked = true}, "c---"},
      {"a server's error", {.status = 500, .asked = true}, "ce--"},
      {"one that the rule names", {.status = 429, .asked = true}, "ce--"},
      {"a gateway's timeout", {.status = 504, .asked = true}, "cet-"},
      {"our own", {.status = 504, .flags = Flag::UpstreamRequestTimeout, .asked = true}, "cet-"},
      {"broken off after its head",
       {.status = 200, .flags = Flag::UpstreamConnectionTermination, .asked = true},
       "ce--"},
      {"slow", {.status = 200, .duration = 3s, .first_answer = 2s, .asked = true}, "c--s"},
      {"a long body is not slow",
       {.status = 200, .duration = 9s, .first_answer = 1s, .asked = true},
       "c---"},
      {"gRPC: fine", {.status = 200, .grpc_status = 0, .asked = true}, "c---"},
      {"gRPC: the caller's fault", {.status = 200, .grpc_status = 3, .asked = true}, "c---"},
      {"gRPC: UNAVAILABLE", {.status = 200, .grpc_status = 14, .asked = true}, "ce--"},
      {"gRPC: DEADLINE_EXCEEDED", {.status = 200, .grpc_status = 4, .asked = true}, "cet-"},
      {"the client went away",
       {.flags = Flag::DownstreamConnectionTermination, .asked = true},
       "----"},
      {"it never left", {.status = 503, .asked = false}, "-e--"},
  };
  for (const Row& row : rows) {
    INFO(row.says);
    const auto call = filter::judge(rule, row.end);
    const std::string text{call.counted ? 'c' : '-', call.error ? 'e' : '-',
                           call.timeout ? 't' : '-', call.slow ? 's' : '-'};
    CHECK(text == row.result);
  }
}
