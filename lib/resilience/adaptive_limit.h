// AdaptiveLimit: how many requests may be under way at once, found by trying.
//
// Envoy's gradient controller ("Adaptive concurrency filter"): now and then the
// limit falls to a minimum until so many latencies were measured, whose
// percentile is the ideal one (minRTT). Else, once an interval, the limit is
// multiplied by minRTT (with a buffer) over the percentile of the interval,
// within [0.5, 2], and the square root of it is added as headroom.
//
// Over all workers: one word each for what is under way and what may be, and
// counts of latencies. Whoever comes first after an interval's end does its sums
// while the others go on. Time and chance are arguments; any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/clock.h"
#include "base/random.h"

namespace mesh::resilience {

struct AdaptivePolicy {
  double percentile = 0.5;  // of the samples, 0 to 1
  uint32_t limit_max = 1000;
  Duration update_interval = std::chrono::milliseconds(100);
  Duration min_rtt_interval = std::chrono::seconds(60);
  Duration fixed_min_rtt{0};  // instead of measuring it; 0: measured
  uint32_t min_rtt_requests = 50;
  double jitter = 0.15;  // of min_rtt_interval
  uint32_t limit_min = 3;
  double buffer = 0.25;  // of minRTT
  bool operator==(const AdaptivePolicy&) const = default;
};

// Latencies by magnitude: 32 parts of each power of two, so within 3%. Many
// threads add, one takes.
class LatencyCounts {
 public:
  void add(Duration latency);
  uint32_t size() const { return size_.load(std::memory_order_relaxed); }
  // The percentile of what was added since, which begins anew; 0 where nothing was.
  Duration take(double percentile);

 private:
  static constexpr unsigned kParts = 32;
  static constexpr unsigned kPowers = 32;  // of microseconds: over an hour
  alignas(64) std::atomic<uint32_t> size_{0};
  std::array<std::atomic<uint32_t>, size_t(kParts) * kPowers> counts_{};
};

class AdaptiveLimit {
 public:
  // False: one too many. Each that is true is followed by one end() or cancel().
  bool begin(const AdaptivePolicy& policy, Instant now, Random& random);
  void end(const AdaptivePolicy& policy, Duration latency, Instant now, Random& random);
  // It says nothing of the latency: the client went away.
  void cancel() { under_way_.fetch_sub(1, std::memory_order_relaxed); }

  uint32_t under_way() const { return under_way_.load(std::memory_order_relaxed); }
  uint32_t limit() const { return limit_.load(std::memory_order_relaxed); }
  Duration min_rtt() const { return Duration(min_rtt_.load(std::memory_order_relaxed)); }
  Duration sample_rtt() const { return Duration(sample_rtt_.load(std::memory_order_relaxed)); }
  bool measuring() const { return measuring_.load(std::memory_order_relaxed); }
  uint64_t blocked() const { return blocked_.load(std::memory_order_relaxed); }

 private:
  static constexpr uint32_t kAtMinimumMax = 5;  // intervals, before minRTT is measured anew

  void look(const AdaptivePolicy& policy, Instant now, Random& random);
  void begin_measuring(const AdaptivePolicy& policy);
  void end_measuring(const AdaptivePolicy& policy, Instant now, Random& random);
  void update(const AdaptivePolicy& policy);

  alignas(64) std::atomic<uint32_t> under_way_{0};
  alignas(64) std::atomic<uint32_t> limit_{0};  // 0: not begun
  std::atomic<int64_t> next_look_{0};           // an instant
  std::atomic<bool> looking_{false};
  std::atomic<bool> measuring_{false};
  std::atomic<int64_t> min_rtt_{0};
  std::atomic<int64_t> sample_rtt_{0};
  std::atomic<uint64_t> blocked_{0};
  // Of whoever is looking.
  Instant next_measuring_{};
  uint32_t limit_before_ = 0;  // measuring began
  uint32_t at_minimum_ = 0;    // intervals in a row
  LatencyCounts samples_;
};

}  // namespace mesh::resilience
