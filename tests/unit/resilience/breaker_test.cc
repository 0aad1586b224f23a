// The breaker of an interface, by a clock of our own.
#include "resilience/breaker.h"

#include <catch2/catch.hpp>
#include <thread>
#include <vector>

using namespace mesh;
using namespace mesh::resilience;
using namespace std::chrono_literals;
using State = Breaker::State;

namespace {

constexpr Breaker::Call kGood{};
constexpr Breaker::Call kError{.error = true};
constexpr Breaker::Call kTimeout{.error = true, .timeout = true};
constexpr Breaker::Call kSlow{.slow = true};
constexpr Breaker::Call kGone{.counted = false};

struct Bench {
  Breaker breaker;
  BreakerPolicy policy{.window = 10s,
                       .minimum_calls = 10,
                       .error_share = {500'000},
                       .open = 5s,
                       .open_max = 20s,
                       .trial_calls = 2,
                       .ramp = 10s};
  ManualClock clock;
  Random random{7};

  // Whether it passed; its end comes at once.
  bool call(const Breaker::Call& how) {
    const auto admission = breaker.begin(policy, clock.now(), random);
    if (admission.pass) breaker.end(policy, admission.token, how, clock.now());
    return admission.pass;
  }
  int calls(int count, const Breaker::Call& how) {
    int passed = 0;
    for (int i = 0; i < count; ++i) passed += call(how) ? 1 : 0;
    return passed;
  }
  State state() const { return breaker.state(); }
  void open() {
    calls(10, kError);
    REQUIRE(state() == State::Open);
  }
};

}  // namespace

TEST_CASE("breaker: what opens it", "[resilience]") {
  struct Row {
    const char* says;
    BreakerPolicy policy;
    std::vector<std::pair<int, Breaker::Call>> calls;
    State state;
  };
  BreakerPolicy errors{.minimum_calls = 10, .error_share = {500'000}};
  BreakerPolicy timeouts{.minimum_calls = 10, .timeout_share = {200'000}};
  BreakerPolicy slow{.minimum_calls = 10, .slow_share = {300'000}, .slow_after = 1s};
  const Row rows[] = {
      {"too few calls, however bad", errors, {{9, kError}}, State::Closed},
      {"a share below the threshold", errors, {{60, kGood}, {40, kError}}, State::Closed},
      {"a share that reaches it", errors, {{50, kGood}, {50, kError}}, State::Open},
      {"timeouts are errors", errors, {{5, kGood}, {5, kTimeout}}, State::Open},
      {"errors are no timeouts", timeouts, {{10, kError}}, State::Closed},
      {"timeouts", timeouts, {{8, kGood}, {2, kTimeout}}, State::Open},
      {"slow ones", slow, {{7, kGood}, {3, kSlow}}, State::Open},
      {"slow ones where latency is not judged", errors, {{20, kSlow}}, State::Closed},
      {"clients that went away", errors, {{50, kGone}}, State::Closed},
      {"no threshold at all", {.minimum_calls = 1}, {{50, kTimeout}}, State::Closed},
  };
  for (const Row& row : rows) {
    INFO(row.says);
    Bench bench;
    bench.policy = row.policy;
    for (const auto& [count, how] : row.calls) bench.calls(count, how);
    CHECK(bench.state() == row.state);
  }
}

TEST_CASE("breaker: the window slides", "[resilience]") {
  Bench bench;
  bench.calls(8, kError);
  bench.clock.advance(11s);
  bench.calls(8, kError);  // the others are too old
  CHECK(bench.state() == State::Closed);
  bench.clock.advance(5s);
  bench.calls(2, kError);
  CHECK(bench.state() == State::Open);
}

TEST_CASE("breaker: open, trials, a growing share, closed", "[resilience]") {
  Bench bench;
  bench.open();
  CHECK(bench.calls(100, kGood) == 0);
  CHECK(bench.breaker.refused() == 100);
  bench.clock.advance(4999ms);
  CHECK(bench.calls(1, kGood) == 0);
  bench.clock.advance(1ms);

  const auto first = bench.breaker.begin(bench.policy, bench.clock.now(), bench.random);
  const auto second = bench.breaker.begin(bench.policy, bench.clock.now(), bench.random);
  CHECK(first.pass);
  REQUIRE(first.change);
  CHECK(first.change->to == State::HalfOpen);
  CHECK(second.pass);
  CHECK_FALSE(second.change);
  CHECK(bench.calls(10, kGood) == 0);  // two trials, no more
  CHECK_FALSE(bench.breaker.end(bench.policy, first.token, kGood, bench.clock.now()));
  const auto over = bench.breaker.end(bench.policy, second.token, kGood, bench.clock.now());
  REQUIRE(over);
  CHECK(over->to == State::Ramping);

  const int early = bench.calls(1000, kGood);
  bench.clock.advance(5s);
  const int middle = bench.calls(1000, kGood);
  bench.clock.advance(4s);
  const int late = bench.calls(1000, kGood);
  CHECK((early > 50 && early < 150));
  CHECK((middle > 420 && middle < 580));
  CHECK((late > 850 && late < 950));
  bench.clock.advance(1s);
  CHECK(bench.calls(1000, kGood) == 1000);
  CHECK(bench.state() == State::Closed);
  CHECK(bench.breaker.changes_to(State::Open) == 1);
  CHECK(bench.breaker.changes_to(State::Closed) == 1);
}

TEST_CASE("breaker: a trial that goes wrong opens it again, for longer, to a maximum",
          "[resilience]") {
  Bench bench;
  bench.open();
  for (const Duration open : {Duration(5s), Duration(10s), Duration(20s), Duration(20s)}) {
    bench.clock.advance(open - 1ms);
    CHECK_FALSE(bench.call(kGood));
    bench.clock.advance(1ms);
    CHECK(bench.call(kTimeout));
    CHECK(bench.state() == State::Open);
  }
}

TEST_CASE("breaker: it opens again from the ramp; after a rest it begins anew", "[resilience]") {
  Bench bench;
  bench.open();
  bench.clock.advance(5s);
  bench.calls(2, kGood);
  REQUIRE(bench.state() == State::Ramping);
  bench.clock.advance(9s);
  bench.calls(100, kError);
  REQUIRE(bench.state() == State::Open);
  CHECK(bench.breaker.open_until(bench.policy) - bench.clock.now() == 10s);
  bench.clock.advance(10s);
  bench.calls(2, kGood);
  bench.clock.advance(10s);
  bench.call(kGood);
  REQUIRE(bench.state() == State::Closed);
  bench.clock.advance(20s);
  bench.open();
  CHECK(bench.breaker.open_until(bench.policy) - bench.clock.now() == 5s);
}

TEST_CASE("breaker: trials of which nothing is heard, or that say nothing", "[resilience]") {
  Bench bench;
  bench.open();
  bench.clock.advance(5s);
  CHECK(bench.calls(5, kGone) == 5);  // each gives its place back
  CHECK(bench.state() == State::HalfOpen);
  const auto lost = bench.breaker.begin(bench.policy, bench.clock.now(), bench.random);
  const auto other = bench.breaker.begin(bench.policy, bench.clock.now(), bench.random);
  CHECK((lost.pass && other.pass));
  CHECK_FALSE(bench.call(kGood));
  bench.clock.advance(5s);
  CHECK(bench.calls(2, kGood) == 2);
  CHECK(bench.state() == State::Ramping);
  // The lost one comes home late and finds nobody who asks.
  CHECK_FALSE(bench.breaker.end(bench.policy, lost.token, kError, bench.clock.now()));
  CHECK(bench.state() == State::Ramping);
}

TEST_CASE("breaker: what was under way when it opened is not held against it", "[resilience]") {
  Bench bench;
  std::vector<uint64_t> tokens;
  for (int i = 0; i < 50; ++i)
    tokens.push_back(bench.breaker.begin(bench.policy, bench.clock.now(), bench.random).token);
  bench.open();
  bench.clock.advance(5s);
  bench.policy.ramp = 0s;
  bench.calls(2, kGood);
  REQUIRE(bench.state() == State::Closed);
  for (const uint64_t token : tokens)
    bench.breaker.end(bench.policy, token, kTimeout, bench.clock.now());
  CHECK(bench.state() == State::Closed);
}

TEST_CASE("breaker: one opening and no more trials than are allowed, from many threads",
          "[resilience]") {
  Bench bench;
  bench.policy.trial_calls = 5;
  std::atomic<int> openings{0}, trials{0};
  const auto together = [&](auto&& body) {
    std::vector<std::thread> threads;
    for (uint64_t t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        Random random(t);
        for (int i = 0; i < 2000; ++i) body(random);
      });
    for (auto& thread : threads) thread.join();
  };
  const Instant start = bench.clock.now();
  together([&](Random& random) {
    const auto admission = bench.breaker.begin(bench.policy, start, random);
    if (!admission.pass) return;
    const auto change = bench.breaker.end(bench.policy, admission.token, kError, start);
    if (change && change->to == State::Open) ++openings;
  });
  CHECK(openings == 1);
  together([&](Random& random) {
    if (bench.breaker.begin(bench.policy, start + 5s, random).pass) ++trials;
  });
  CHECK(trials == 5);
}
