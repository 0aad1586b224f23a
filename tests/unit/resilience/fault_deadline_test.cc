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
    const Fault fault = decide_fault(policy, random);
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
  CHECK_FALSE(decide_fault({}, random));
}

TEST_CASE("fault: a gRPC abort is an answer with a status of its own", "[resilience]") {
  FaultPolicy policy;
  policy.abort_share = {1'000'000};
  policy.abort_grpc_status = uint8_t(14);
  Random random(1);
  const Fault fault = decide_fault(policy, random);
  CHECK(fault.abort);
  CHECK(fault.http_status == 200);
  CHECK(fault.grpc_status == uint8_t(14));
}

TEST_CASE("deadline: a per-try timeout that can never fire is dropped", "[resilience]") {
  struct Row {
    Duration route, per_try;
    std::optional<Duration> asked;
    Duration want_request, want_per_try;
  };
  const Duration none{0};
  const Row rows[] = {
      {seconds(15), none, {}, seconds(15), none},
      {seconds(15), seconds(2), {}, seconds(15), seconds(2)},
      {seconds(2), seconds(2), {}, seconds(2), none},
      {none, seconds(2), {}, none, seconds(2)},
      {seconds(15), seconds(2), seconds(1), seconds(1), none},
      {seconds(15), seconds(2), none, none, seconds(2)},
  };
  for (const Row& row : rows) {
    const Timeouts got = timeouts(row.route, row.per_try, row.asked);
    CHECK(got.request == row.want_request);
    CHECK(got.per_try == row.want_per_try);
  }
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
