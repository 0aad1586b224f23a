// Histogram: counts in Istio's default buckets.
//
// Written by one thread, read by any: relaxed stores of a single writer, no
// locked instruction. A reader may see a value counted and not yet summed; the
// next read has both.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/clock.h"

namespace mesh::telemetry {

// Upper bounds, inclusive, in milliseconds (or bytes) as Istio's standard
// metrics have them; one more bucket takes what is over the last.
inline constexpr std::array<double, 19> kBucketBounds = {
    0.5,  1,    5,     10,    25,    50,     100,    250,     500,    1000,
    2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000};
inline constexpr size_t kBuckets = kBucketBounds.size() + 1;

// The bucket of a value in thousandths (microseconds for milliseconds).
size_t bucket_of(uint64_t thousandths);

// A counter with one writer.
class Counter {
 public:
  void add(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void set(uint64_t n) { value_.store(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// What a histogram amounts to: plain numbers, summed over workers and hosts.
struct HistogramTotals {
  std::array<uint64_t, kBuckets> buckets{};  // each its own count, not cumulative
  uint64_t sum_thousandths = 0;

  uint64_t count() const;
  HistogramTotals& operator+=(const HistogramTotals& other);
  bool operator==(const HistogramTotals&) const = default;
  // The value below which a share `q` (0 to 1) lies, interpolated in its bucket
  // as Prometheus' histogram_quantile does; 0 when empty.
  double quantile(double q) const;
};

class Histogram {
 public:
  void record(Duration d);
  void record_bytes(uint64_t bytes);
  HistogramTotals totals() const;

 private:
  void record_thousandths(uint64_t thousandths);
  std::array<Counter, kBuckets> buckets_;
  Counter sum_thousandths_;
};

}  // namespace mesh::telemetry
