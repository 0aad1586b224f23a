// What is retried: mesh-routing(7), "RETRIES".

#include "resilience/retry.h"

#include <catch2/catch.hpp>

#include "resilience/backoff.h"
#include "resilience/retry_budget.h"

using namespace mesh;
using namespace mesh::resilience;
using std::chrono::milliseconds;
using namespace std::chrono_literals;

namespace {

Outcome answered(uint16_t status) { return {.status = status, .request_started = true}; }
Outcome grpc(uint8_t status) {
  return {.status = 200, .grpc_status = status, .request_started = true};
}
Outcome rate_limited(uint16_t status) {
  Outcome outcome = answered(status);
  outcome.rate_limited = true;
  return outcome;
}
Outcome with_header(uint16_t status) {
  Outcome outcome = answered(status);
  outcome.retriable_header = true;
  return outcome;
}
Outcome failed(Failure failure, bool started = true) {
  return {.failure = failure, .request_started = started};
}

}  // namespace

TEST_CASE("retry: conditions take what Envoy says they take", "[resilience]") {
  struct Row {
    std::string_view retry_on;
    Outcome outcome;
    bool want;
  };
  const Row rows[] = {
      {"5xx", answered(500), true},
      {"5xx", answered(599), true},
      {"5xx", answered(499), false},
      {"5xx", answered(200), false},
      {"5xx", failed(Failure::Reset), true},
      {"5xx", failed(Failure::ConnectFailure, false), true},
      {"5xx", failed(Failure::RefusedStream), true},
      {"5xx", failed(Failure::PerTryTimeout), true},
      {"5xx", failed(Failure::Overflow, false), false},
      {"gateway-error", answered(500), false},
      {"gateway-error", answered(502), true},
      {"gateway-error", answered(503), true},
      {"gateway-error", answered(504), true},
      {"gateway-error", answered(505), false},
      {"gateway-error", failed(Failure::Reset), true},
      {"reset", failed(Failure::Reset), true},
      {"reset", failed(Failure::ConnectFailure, false), true},
      {"reset", failed(Failure::PerTryTimeout), true},
      {"reset", answered(503), false},
      {"reset-before-request", failed(Failure::Reset, false), true},
      {"reset-before-request", failed(Failure::Reset, true), false},
      {"reset-before-request", failed(Failure::PerTryTimeout, true), false},
      {"connect-failure", failed(Failure::ConnectFailure, false), true},
      {"connect-failure", failed(Failure::Reset, false), false},
      {"connect-failure", answered(503), false},
      {"refused-stream", failed(Failure::RefusedStream), true},
      {"refused-stream", failed(Failure::Reset), false},
      {"retriable-4xx", answered(409), true},
      {"retriable-4xx", answered(404), false},
      {"429,503", answered(429), true},
      {"429,503", answered(503), true},
      {"429,503", answered(500), false},
      {"429,503", failed(Failure::Reset), false},
      {"unavailable", grpc(14), true},
      {"unavailable", grpc(1), false},
      {"cancelled", grpc(1), true},
      {"cancelled", answered(200), false},
      {"deadline-exceeded", grpc(4), true},
      {"resource-exhausted", grpc(8), true},
      {"internal", grpc(13), true},
      {"internal,unavailable", grpc(2), false},
      {"envoy-ratelimited", rate_limited(429), true},
      {"5xx,429", rate_limited(429), false},
      {"envoy-ratelimited", answered(429), false},
      {"retriable-headers", with_header(200), true},
      {"5xx", with_header(200), false},
      {"", answered(503), false},
      {"connect-failure,refused-stream,unavailable,cancelled,503", answered(503), true},
      {"connect-failure, refused-stream", failed(Failure::RefusedStream), true},
  };
  for (const Row& row : rows) {
    const auto parsed = parse_retry_on(row.retry_on);
    REQUIRE(parsed);
    RetryPolicy policy;
    policy.retry_on = parsed->retry_on;
    policy.retriable_status_codes = parsed->status_codes;
    CAPTURE(row.retry_on, row.outcome.status, int(row.outcome.failure));
    CHECK(retriable(policy, row.outcome) == row.want);
  }
}

TEST_CASE("retry: an unknown condition is refused by name", "[resilience]") {
  const auto refused = [](std::string_view text) {
    const auto parsed = parse_retry_on(text);
    return parsed ? std::string("accepted") : parsed.error().text;
  };
  CHECK_THAT(
      refused("5xx,conect-failure"),
      Catch::Contains("\"conect-failure\"") && Catch::Contains("did you mean \"connect-failure\""));
  CHECK_THAT(refused("5xx,"), Catch::Contains("not supported"));
  CHECK_THAT(refused("99"), Catch::Contains("\"99\""));
  CHECK_THAT(refused("600"), Catch::Contains("\"600\""));
  CHECK_THAT(refused("5XX"), Catch::Contains("\"5XX\""));
  std::string long_list = "5xx";
  for (int i = 0; i < 100; ++i) long_list += ",5xx";
  CHECK_THAT(refused(long_list), Catch::Contains("over 64"));
}

TEST_CASE("retry: the cause of not retrying is told", "[resilience]") {
  RetryPolicy policy;
  policy.retry_on = kRetryOn5xx;
  policy.num_retries = 2;
  const auto granted = [] { return true; };
  CHECK(decide(policy, answered(503), 1, granted) == Verdict::Retry);
  CHECK(decide(policy, answered(503), 2, granted) == Verdict::Retry);
  CHECK(decide(policy, answered(503), 3, granted) == Verdict::LimitExceeded);
  CHECK(decide(policy, answered(404), 1, granted) == Verdict::NotRetriable);
  CHECK(decide(policy, answered(503), 1, [] { return false; }) == Verdict::Overflow);
  bool asked = false;
  decide(policy, answered(200), 1, [&] { return asked = true; });
  decide(policy, answered(503), 3, [&] { return asked = true; });
  CHECK_FALSE(asked);  // no place of the budget is taken in vain
}

TEST_CASE("retry: a fixed number of retries at once without a budget", "[resilience]") {
  Usage usage;
  const RetryBudget budget{.percent = std::nullopt, .min_concurrency = 9, .max_retries = 2};
  Permit first = budget.acquire(usage, {});
  Permit second = budget.acquire(usage, {});
  CHECK((first && second));
  CHECK_FALSE(budget.acquire(usage, {}));
  first.reset();
  CHECK(usage.retries.value() == 1);
  CHECK(budget.acquire(usage, {}));
  CHECK(usage.retries.value() == 1);  // a permit given up at once
}

TEST_CASE("retry: a budget is a share of what is active, with a floor", "[resilience]") {
  Usage usage;
  const RetryBudget budget{.percent = 20.0, .min_concurrency = 3, .max_retries = 0};
  CHECK(budget.allowed(usage, {}) == 3);
  for (int i = 0; i < 40; ++i) REQUIRE(usage.requests.try_acquire(100));
  CHECK(budget.allowed(usage, {}) == 8);
  for (int i = 0; i < 10; ++i) REQUIRE(usage.pending.try_acquire(100));
  CHECK(budget.allowed(usage, {}) == 10);
}

TEST_CASE("retry: a budget with an interval counts what began within it", "[resilience]") {
  Usage usage;
  usage.recent = std::make_unique<RecentRequests>();
  const RetryBudget budget{
      .percent = 20.0, .min_concurrency = 3, .max_retries = 0, .interval = 10s};
  Instant now = Instant{} + 5min;
  for (int i = 0; i < 50; ++i) usage.recent->begin(now, 10s);
  CHECK(budget.allowed(usage, now) == 10);
  now += 5s;
  for (int i = 0; i < 25; ++i) usage.recent->begin(now, 10s);
  CHECK(budget.allowed(usage, now) == 15);
  CHECK(budget.allowed(usage, now + 5s) == 5);  // the first fifty are over
  CHECK(budget.allowed(usage, now + 10s) == 3);
  // More are active than began lately.
  for (int i = 0; i < 200; ++i) REQUIRE(usage.requests.try_acquire(1000));
  CHECK(budget.allowed(usage, now) == 40);
  // A slot that an earlier round used begins at nothing.
  now += 1h;
  usage.recent->begin(now, 10s);
  CHECK(usage.recent->count(now, 10s) == 1);
}

TEST_CASE("limits: a gauge is never over its maximum and permits move", "[resilience]") {
  Gauge gauge;
  Permit a = Permit::acquire(gauge, 1);
  CHECK_FALSE(Permit::acquire(gauge, 1));
  Permit b = std::move(a);
  CHECK(gauge.value() == 1);
  b = Permit();
  CHECK(gauge.value() == 0);
  CHECK_FALSE(Permit::acquire(gauge, 0));
}

TEST_CASE("backoff: uniform below a doubling bound", "[resilience]") {
  Random random(5);
  struct Row {
    uint32_t retry;
    int64_t bound_ms;
  };
  const Row rows[] = {{1, 25}, {2, 75}, {3, 175}, {4, 250}, {5, 250}, {64, 250}, {4000000000, 250}};
  for (const Row& row : rows) {
    CAPTURE(row.retry);
    Duration longest{0};
    Duration sum{0};
    for (int i = 0; i < 4000; ++i) {
      const Duration d = backoff(row.retry, milliseconds(25), milliseconds(250), random);
      REQUIRE(d >= Duration::zero());
      longest = std::max(longest, d);
      sum += d;
    }
    const Duration bound = milliseconds(row.bound_ms);
    CHECK(longest < bound);
    CHECK(longest > bound * 99 / 100);
    CHECK(double(sum.count()) / 4000 == Approx(double(bound.count()) / 2).epsilon(0.05));
  }
  CHECK(backoff(0, milliseconds(25), milliseconds(250), random) == Duration::zero());
  CHECK(backoff(3, Duration::zero(), milliseconds(250), random) == Duration::zero());
  CHECK(backoff(9, milliseconds(25), milliseconds(1), random) < milliseconds(25));
}

TEST_CASE("retry: what a request asks for, where words are not known", "[resilience]") {
  CHECK(asked_retry_on("5xx, reset,nonsense") == (kRetryOn5xx | kRetryOnReset));
  CHECK(asked_retry_on("cancelled,internal") == (kRetryOnCancelled | kRetryOnInternal));
  CHECK(asked_retry_on("") == 0);
  CHECK_FALSE(parse_retry_on("http3-post-connect-failure"));
}

TEST_CASE("backoff: an answer's reset header", "[resilience]") {
  using Format = ResetHeader::Format;
  const WallTime now{std::chrono::seconds(1'700'000'000)};
  struct Row {
    Format format;
    std::string_view value;
    std::optional<Duration> want;
  };
  const Row rows[] = {
      {Format::Seconds, "3", std::chrono::seconds(3)},
      {Format::Seconds, " 3 ", std::chrono::seconds(3)},
      {Format::Seconds, "0", std::chrono::seconds(0)},
      {Format::Seconds, "-1", {}},
      {Format::Seconds, "3.5", {}},
      {Format::Seconds, "Fri, 31 Dec 1999 23:59:59 GMT", {}},
      {Format::UnixTimestamp, "1700000005", std::chrono::seconds(5)},
      {Format::UnixTimestamp, "1699999999", {}},
      {Format::UnixTimestamp, "soon", {}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.value);
    CHECK(parse_reset(row.format, row.value, now) == row.want);
  }
  Random random(3);
  for (int i = 0; i < 100; ++i) {
    const Duration wait = rate_limited_backoff(std::chrono::seconds(2), random);
    CHECK(wait >= std::chrono::seconds(2));
    CHECK(wait < std::chrono::seconds(3));
  }
}
