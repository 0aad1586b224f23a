// The gradient controller, by a clock of our own.
#include "resilience/adaptive_limit.h"

#include <catch2/catch.hpp>
#include <thread>
#include <vector>

using namespace mesh;
using namespace mesh::resilience;
using namespace std::chrono_literals;

namespace {

struct Bench {
  AdaptivePolicy policy{.limit_max = 100,
                        .update_interval = 100ms,
                        .min_rtt_interval = 10s,
                        .min_rtt_requests = 10,
                        .jitter = 0};
  AdaptiveLimit limit;
  ManualClock clock;
  Random random{1};

  // So many requests of this latency, one after the other, in one instant.
  void serve(int count, Duration latency) {
    for (int i = 0; i < count; ++i) {
      REQUIRE(limit.begin(policy, clock.now(), random));
      limit.end(policy, latency, clock.now(), random);
    }
  }
  // One interval in which all take this long.
  void interval(Duration latency) {
    serve(20, latency);
    clock.advance(100ms);
    serve(1, latency);  // whoever comes first does the sums
  }
  uint32_t admitted() {
    uint32_t count = 0;
    while (limit.begin(policy, clock.now(), random)) ++count;
    for (uint32_t i = 0; i < count; ++i) limit.cancel();
    return count;
  }
};

}  // namespace

TEST_CASE("latency counts: percentiles within three per cent", "[resilience]") {
  LatencyCounts counts;
  for (int ms = 1; ms <= 1000; ++ms) counts.add(std::chrono::milliseconds(ms));
  CHECK(counts.size() == 1000);
  const double median = double(counts.take(0.5).count()) / 1e6;
  CHECK((median > 485 && median < 515));
  CHECK(counts.size() == 0);
  CHECK(counts.take(0.5) == Duration(0));
  counts.add(100h);
  CHECK(counts.take(0.9) > 1h);
  counts.add(0ns);
  CHECK(counts.take(0.9) < 3us);
}

TEST_CASE("adaptive limit: it begins at the minimum and measures", "[resilience]") {
  Bench bench;
  CHECK(bench.admitted() == 3);
  CHECK(bench.limit.measuring());
  CHECK(bench.limit.blocked() == 1);
  bench.serve(10, 10ms);
  CHECK_FALSE(bench.limit.measuring());
  const double rtt = double(bench.limit.min_rtt().count()) / 1e6;
  CHECK((rtt > 9.7 && rtt < 10.3));
}

TEST_CASE("adaptive limit: it grows while latency is ideal, and falls when it is not",
          "[resilience]") {
  Bench bench;
  bench.admitted();
  bench.serve(10, 10ms);
  for (int i = 0; i < 30; ++i) bench.interval(10ms);
  CHECK(bench.admitted() == 100);  // the most
  bench.interval(100ms);
  // A gradient of a half, and headroom: 50 + sqrt(50), and twice more.
  CHECK(bench.admitted() < 60);
  for (int i = 0; i < 8; ++i) bench.interval(100ms);
  CHECK(bench.admitted() <= 4);
}

TEST_CASE("adaptive limit: minRTT is measured anew, and the limit is as before", "[resilience]") {
  Bench bench;
  bench.admitted();
  bench.serve(10, 10ms);
  for (int i = 0; i < 30; ++i) bench.interval(10ms);
  bench.clock.advance(10s);
  bench.serve(1, 10ms);
  CHECK(bench.limit.measuring());
  CHECK(bench.admitted() == 3);
  bench.serve(10, 20ms);
  CHECK_FALSE(bench.limit.measuring());
  CHECK(bench.limit.min_rtt() > 19ms);
  CHECK(bench.admitted() == 100);
}

TEST_CASE("adaptive limit: a fixed minRTT is not measured", "[resilience]") {
  Bench bench;
  bench.policy.fixed_min_rtt = 10ms;
  CHECK(bench.admitted() == 3);
  CHECK_FALSE(bench.limit.measuring());
  for (int i = 0; i < 10; ++i) bench.interval(10ms);
  CHECK(bench.admitted() > 20);
}

TEST_CASE("adaptive limit: never one more under way, from many threads", "[resilience]") {
  Bench bench;
  bench.policy.fixed_min_rtt = 1s;
  std::atomic<uint32_t> most{0};
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      Random random(t);
      const Instant now = bench.clock.now();
      for (int i = 0; i < 2000; ++i) {
        if (!bench.limit.begin(bench.policy, now, random)) continue;
        const uint32_t seen = bench.limit.under_way();
        uint32_t before = most;
        while (seen > before && !most.compare_exchange_weak(before, seen)) {
        }
        bench.limit.end(bench.policy, 1s, now, random);
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK(most <= 3);
  CHECK(bench.limit.under_way() == 0);
}
