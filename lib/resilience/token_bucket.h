// TokenBucket: so many calls in a time, and a burst, over all workers.
//
// One word: the instant at which the bucket was empty, had nothing been taken
// since; tokens come evenly (Envoy, "Token bucket": continuous refill). The rate
// is an argument, so that it may change under the word. No lock; any thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "base/clock.h"

namespace mesh::resilience {

struct TokenRate {
  uint32_t burst = 0;                     // tokens that a full bucket has
  uint32_t tokens = 1;                    // that come
  Duration per{std::chrono::seconds(1)};  // in this time
  bool operator==(const TokenRate&) const = default;

  // Of a full bucket, in time; not more than decades, so that sums do not overflow.
  int64_t full_ns() const {
    constexpr int64_t kMost = int64_t(1) << 60;
    return uint64_t(step_ns()) > uint64_t(kMost) / std::max(1U, burst) ? kMost
                                                                       : step_ns() * int64_t(burst);
  }
  // Between two tokens, at least 1 ns.
  int64_t step_ns() const { return std::max<int64_t>(1, per.count() / std::max(1U, tokens)); }
};

class TokenBucket {
 public:
  // The clocks of workers are those of their turns: one is behind another by so much. Who is
  // must not be refused a token that the other found there; so one may come early by this, or
  // by half the time between two where that is less. Never one more at once.
  static constexpr int64_t kSkewMaxNs = 10'000'000;

  // Takes a token; false where there is none, and nothing changed.
  bool take(const TokenRate& rate, Instant now) {
    const int64_t at = now.time_since_epoch().count();
    const int64_t step = rate.step_ns();
    const int64_t latest = at + std::min(kSkewMaxNs, step / 2);
    int64_t seen = empty_at_.load(std::memory_order_relaxed);
    for (;;) {
      const int64_t next = std::max(seen, at - rate.full_ns()) + step;
      if (next > latest) return false;
      if (empty_at_.compare_exchange_weak(seen, next, std::memory_order_relaxed)) return true;
    }
  }
  // Gives back what take() took for a call that another limit refused.
  void give_back(const TokenRate& rate) {
    empty_at_.fetch_sub(rate.step_ns(), std::memory_order_relaxed);
  }
  // Whole tokens now.
  uint32_t tokens(const TokenRate& rate, Instant now) const {
    const int64_t left = now.time_since_epoch().count() - empty_at_.load(std::memory_order_relaxed);
    if (left <= 0) return 0;
    return uint32_t(std::min<int64_t>(rate.burst, left / rate.step_ns()));
  }
  // Until there is a token; zero where there is one.
  Duration until_next(const TokenRate& rate, Instant now) const {
    const int64_t next = empty_at_.load(std::memory_order_relaxed) + rate.step_ns();
    return Duration(std::max<int64_t>(0, next - now.time_since_epoch().count()));
  }
  // Full, as new.
  void reset() { empty_at_.store(kLongAgo, std::memory_order_relaxed); }

 private:
  // The clock may have begun a moment ago: before that, whatever the rate.
  static constexpr int64_t kLongAgo = -(int64_t(1) << 61);
  std::atomic<int64_t> empty_at_{kLongAgo};
};

}  // namespace mesh::resilience
