// Faults and timeouts: mesh-routing(7), "FAULTS" and "TIMEOUTS".

#include <catch2/catch.hpp>

#include "resilience/deadline.h"
#include "resilience/fault.h"

using namespace mesh;
using namespace mesh::resilience;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_CASE("fault: delay and abort are drawn apart", "[resilience]") {
  FaultPolicy policy;
  policy.delay_share = {500'000};
  policy.delay = seconds(1);
  policy.abort_share = {100'000};
  policy.abort_http_status = 503;
  Random random(9);
  int delayed = 0;
  int aborted = 0;
  int both = 0;
  for (int i = 0; i < 100000; ++i) {
    const Fault fault = decide_fault(fault_odds(policy), random);
    delayed += fault.delay == seconds(1);
    aborted += fault.abort && fault.http_status == 503;
    both += fault.abort && fault.delay > Duration::zero();
  }
  CHECK(delayed == Approx(50000).margin(800));
  CHECK(aborted == Approx(10000).margin(400));
  CHECK(both == Approx(5000).margin(300));
}

TEST_CASE("fault: none and all are exact", "[resilience]") {
  Random random(1);
  for (int i = 0; i < 10000; ++i) {
    REQUIRE_FALSE(holds({0}, random));
    REQUIRE(holds({1'000'000}, random));
  }
  CHECK_FALSE(decide_fault(fault_odds({}), random));
}

TEST_CASE("fault: a gRPC abort is an answer with a status of its own", "[resilience]") {
  FaultPolicy policy;
  policy.abort_share = {1'000'000};
  policy.abort_grpc_status = uint8_t(14);
  Random random(1);
  const Fault fault = decide_fault(fault_odds(policy), random);
  CHECK(fault.abort);
  CHECK(fault.http_status == 200);
  CHECK(fault.grpc_status == uint8_t(14));
}

TEST_CASE("deadline: a route's timeouts, and what a request makes of them", "[resilience]") {
  struct Row {
    TimeoutRules rules;
    TimeoutAsked asked;
    Duration want_request, want_per_try;
  };
  const Duration none{0};
  const Row rows[] = {
      {{seconds(15), none, {}, none}, {}, seconds(15), none},
      {{seconds(15), seconds(2), {}, none}, {}, seconds(15), seconds(2)},
      // A per-try timeout that can never fire is dropped.
      {{seconds(2), seconds(2), {}, none}, {}, seconds(2), none},
      {{none, seconds(2), {}, none}, {}, none, seconds(2)},
      // x-envoy-upstream-rq-timeout-ms, x-envoy-upstream-rq-per-try-timeout-ms.
      {{seconds(15), seconds(2), {}, none}, {.request = seconds(1)}, seconds(1), none},
      {{seconds(15), seconds(2), {}, none}, {.request = none}, none, seconds(2)},
      {{seconds(15), none, {}, none}, {.per_try = seconds(3)}, seconds(15), seconds(3)},
      // x-envoy-expected-rq-timeout-ms is what an egress decided.
      {{seconds(15), none, {}, none},
       {.request = seconds(1), .expected = seconds(4)},
       seconds(4),
       none},
      // max_grpc_timeout: the caller's deadline instead of the route's timeout.
      {{seconds(15), none, none, none},
       {.grpc_timeout = seconds(3), .grpc = true},
       seconds(3),
       none},
      {{seconds(15), none, none, none}, {.grpc = true}, none, none},
      {{seconds(15), none, seconds(2), none},
       {.grpc_timeout = seconds(3), .grpc = true},
       seconds(2),
       none},
      {{seconds(15), none, seconds(2), none}, {.grpc = true}, seconds(2), none},
      {{seconds(15), none, none, seconds(1)},
       {.grpc_timeout = seconds(3), .grpc = true},
       seconds(2),
       none},
      // An offset that would leave nothing is not applied.
      {{seconds(15), none, none, seconds(3)},
       {.grpc_timeout = seconds(3), .grpc = true},
       seconds(3),
       none},
      {{seconds(15), none, none, none}, {.grpc_timeout = seconds(3)}, seconds(15), none},
  };
  for (const Row& row : rows) {
    const Timeouts got = timeouts(row.rules, row.asked);
    CAPTURE(&row - rows);
    CHECK(got.request == row.want_request);
    CHECK(got.per_try == row.want_per_try);
  }
}

TEST_CASE("deadline: what the upstream is told it has", "[resilience]") {
  struct Row {
    Timeouts timeouts;
    Duration elapsed;
    bool hedging;
    Duration want;
  };
  const Duration none{0};
  const Row rows[] = {
      {{seconds(15), none}, none, false, seconds(15)},
      {{seconds(15), none}, seconds(5), false, seconds(10)},
      {{seconds(15), none}, seconds(15), false, milliseconds(1)},
      {{seconds(15), seconds(2)}, none, false, seconds(2)},
      {{seconds(15), seconds(2)}, seconds(14), false, seconds(1)},
      {{seconds(15), seconds(2)}, seconds(1), true, seconds(14)},
      {{none, seconds(2)}, seconds(20), false, seconds(2)},
      {{none, none}, seconds(20), false, none},
  };
  for (const Row& row : rows) {
    CAPTURE(&row - rows);
    CHECK(expected_timeout(row.timeouts, row.elapsed, row.hedging) == row.want);
  }
}

TEST_CASE("deadline: how long a stream may last", "[resilience]") {
  struct Row {
    StreamDurationRules rules;
    std::optional<Duration> grpc_timeout;
    Duration want;
  };
  const Duration none{0};
  const Row rows[] = {
      {{}, {}, none},
      {{.manager = seconds(9)}, {}, seconds(9)},
      {{.route = seconds(3), .manager = seconds(9)}, {}, seconds(3)},
      {{.route = none, .manager = seconds(9)}, {}, none},  // 0 is "none", said aloud
      {{.route = seconds(3)}, seconds(1), seconds(3)},     // grpc-timeout is not asked for
      {{.route = seconds(3), .grpc_timeout_header_max = none}, seconds(7), seconds(7)},
      {{.grpc_timeout_header_max = seconds(5)}, seconds(7), seconds(5)},
      {{.grpc_timeout_header_max = none, .grpc_timeout_header_offset = seconds(1)},
       seconds(7),
       seconds(6)},
      {{.grpc_timeout_header_max = none, .grpc_timeout_header_offset = seconds(8)},
       seconds(7),
       milliseconds(1)},
      {{.route = seconds(3), .grpc_timeout_header_max = none}, {}, seconds(3)},
  };
  for (const Row& row : rows) {
    CAPTURE(&row - rows);
    CHECK(stream_duration(row.rules, row.grpc_timeout) == row.want);
  }
}

TEST_CASE("deadline: grpc-timeout is read strictly and written short", "[resilience]") {
  CHECK(parse_grpc_timeout("1H") == Duration(std::chrono::hours(1)));
  CHECK(parse_grpc_timeout("2M") == Duration(std::chrono::minutes(2)));
  CHECK(parse_grpc_timeout("3S") == Duration(seconds(3)));
  CHECK(parse_grpc_timeout("250m") == Duration(milliseconds(250)));
  CHECK(parse_grpc_timeout("7u") == Duration(std::chrono::microseconds(7)));
  CHECK(parse_grpc_timeout("99999999n") == Duration(std::chrono::nanoseconds(99'999'999)));
  CHECK(parse_grpc_timeout("99999999H") == Duration(std::chrono::hours(87600)));
  for (const auto* bad : {"", "S", "1", "1s", "-1S", "1.5S", " 1S", "123456789S", "1SS"})
    CHECK_FALSE(parse_grpc_timeout(bad));
  char text[kGrpcTimeoutBytes];
  CHECK(format_grpc_timeout(milliseconds(300), text) == "300m");
  CHECK(format_grpc_timeout(std::chrono::microseconds(1), text) == "1m");
  CHECK(format_grpc_timeout(seconds(99'999), text) == "99999000m");
  CHECK(format_grpc_timeout(seconds(100'000), text) == "100000S");
}

TEST_CASE("deadline: a header's milliseconds are read strictly", "[resilience]") {
  CHECK(parse_timeout_ms("1500") == Duration(milliseconds(1500)));
  CHECK(parse_timeout_ms("0") == Duration::zero());
  for (const auto* bad : {"", "1.5", "-1", " 1", "1s", "99999999999999999999", "86400001"})
    CHECK_FALSE(parse_timeout_ms(bad));
}

TEST_CASE("deadline: never stays never", "[resilience]") {
  const Instant now = ManualClock().now();
  CHECK(deadline_after(now, Duration::zero()) == Instant::max());
  CHECK(deadline_after(now, Duration::max()) == Instant::max());
  CHECK(deadline_after(now, seconds(1)) == now + seconds(1));
  CHECK(remaining(Instant::max(), now) == Duration::max());
  CHECK(remaining(now + seconds(1), now) == seconds(1));
  CHECK(remaining(now - seconds(1), now) == Duration::zero());
}
