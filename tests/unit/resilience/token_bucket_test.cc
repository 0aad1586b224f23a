// Token buckets, by a clock of our own.
#include "resilience/token_bucket.h"

#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <vector>

#include "resilience/bucket_table.h"

using namespace mesh;
using namespace mesh::resilience;
using namespace std::chrono_literals;

namespace {

int take(TokenBucket& bucket, const TokenRate& rate, Instant now, int count) {
  int taken = 0;
  for (int i = 0; i < count; ++i) taken += bucket.take(rate, now) ? 1 : 0;
  return taken;
}

}  // namespace

TEST_CASE("token bucket: a burst, then the rate", "[resilience]") {
  TokenBucket bucket;
  ManualClock clock;
  const TokenRate rate{.burst = 5, .tokens = 10, .per = 1s};
  CHECK(bucket.tokens(rate, clock.now()) == 5);
  CHECK(take(bucket, rate, clock.now(), 20) == 5);
  CHECK(bucket.until_next(rate, clock.now()) == 100ms);
  clock.advance(89ms);
  CHECK(take(bucket, rate, clock.now(), 20) == 0);
  clock.advance(11ms);
  CHECK(take(bucket, rate, clock.now(), 20) == 1);
  clock.advance(250ms);
  CHECK(bucket.tokens(rate, clock.now()) == 2);
  CHECK(take(bucket, rate, clock.now(), 20) == 2);
  clock.advance(1h);
  CHECK(take(bucket, rate, clock.now(), 20) == 5);
  bucket.give_back(rate);
  CHECK(take(bucket, rate, clock.now(), 20) == 1);
}

TEST_CASE("token bucket: whose clock is behind is refused no token that is there", "[resilience]") {
  const Instant now = ManualClock().now();
  const auto step = GENERATE(std::chrono::nanoseconds(1h), 100ms, 1us);
  TokenBucket bucket;
  const TokenRate rate{.burst = 2, .tokens = 1, .per = step};
  const Duration behind = std::min<Duration>(10ms, step / 2);
  CHECK(bucket.take(rate, now));
  CHECK(bucket.take(rate, now - behind));
  // And there are no more for that; early ones are not more of them.
  CHECK(take(bucket, rate, now, 20) == 0);
  CHECK(take(bucket, rate, now + step - behind, 20) == 1);
  CHECK(take(bucket, rate, now + step, 20) == 0);
  CHECK(take(bucket, rate, now + 2 * step - behind, 20) == 1);
}

TEST_CASE("token bucket: not one more from many threads", "[resilience]") {
  TokenBucket bucket;
  const TokenRate rate{.burst = 1000, .tokens = 1, .per = 1h};
  const Instant now = ManualClock().now();
  std::atomic<int> taken{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { taken += take(bucket, rate, now, 2000); });
  for (auto& thread : threads) thread.join();
  CHECK(taken == 1000);
}

TEST_CASE("bucket table: a bucket for each value, and bounded", "[resilience]") {
  BucketTable table(100, 42);
  CHECK(table.size() == 128);
  ManualClock clock;
  const TokenRate rate{.burst = 2, .tokens = 1, .per = 1h};
  const auto take_of = [&](const std::string& value) {
    return table.find(value, rate, clock.now()).take(rate, clock.now());
  };
  for (const char* value : {"ann", "bob", "a longer value than one word of the hash"}) {
    CHECK(take_of(value));
    CHECK(take_of(value));
    CHECK_FALSE(take_of(value));
  }
  // Many others come and go; those that are empty stay before those that are not.
  for (int i = 0; i < 10'000; ++i) take_of("visitor " + std::to_string(i));
  int kept = 0;
  for (const char* value : {"ann", "bob", "a longer value than one word of the hash"})
    kept += take_of(value) ? 0 : 1;
  CHECK(kept == 3);
}
