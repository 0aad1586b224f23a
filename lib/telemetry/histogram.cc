#include "telemetry/histogram.h"

#include <algorithm>
#include <bit>
#include <numeric>

namespace mesh::telemetry {
namespace {

// The bounds in thousandths: compared as whole numbers.
constexpr auto kBounds = [] {
  std::array<uint64_t, kBucketBounds.size()> bounds{};
  for (size_t i = 0; i < bounds.size(); ++i) bounds[i] = uint64_t(kBucketBounds[i] * 1000);
  return bounds;
}();

// For each number of binary digits the bucket of the least value that has so many: bounds
// grow at least twofold, so that of any other is at most two further.
constexpr auto kFirstBucket = [] {
  std::array<uint8_t, 65> first{};
  for (size_t digits = 1; digits < first.size(); ++digits) {
    const uint64_t least = uint64_t{1} << (digits - 1);
    while (first[digits] < kBounds.size() && kBounds[first[digits]] < least) ++first[digits];
  }
  return first;
}();

}  // namespace

size_t bucket_of(uint64_t thousandths) {
  size_t bucket = kFirstBucket[size_t(std::bit_width(thousandths))];
  while (bucket < kBounds.size() && kBounds[bucket] < thousandths) ++bucket;
  return bucket;
}

uint64_t HistogramTotals::count() const {
  return std::accumulate(buckets.begin(), buckets.end(), uint64_t(0));
}

HistogramTotals& HistogramTotals::operator+=(const HistogramTotals& other) {
  for (size_t i = 0; i < kBuckets; ++i) buckets[i] += other.buckets[i];
  sum_thousandths += other.sum_thousandths;
  return *this;
}

double HistogramTotals::quantile(double q) const {
  const uint64_t all = count();
  if (all == 0) return 0;
  const double rank = std::clamp(q, 0.0, 1.0) * double(all);
  double below = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    const double here = double(buckets[i]);
    if (here == 0 || below + here < rank) {
      below += here;
      continue;
    }
    // Nothing is known of the last bucket but where it begins.
    if (i == kBucketBounds.size()) return kBucketBounds.back();
    const double from = i == 0 ? 0 : kBucketBounds[i - 1];
    return from + (kBucketBounds[i] - from) * (rank - below) / here;
  }
  return kBucketBounds.back();
}

void Histogram::record(Duration d) {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(d).count();
  record_thousandths(us > 0 ? uint64_t(us) : 0);
}

void Histogram::record_bytes(uint64_t bytes) {
  constexpr uint64_t kMost = UINT64_MAX / 1000;
  record_thousandths(std::min(bytes, kMost) * 1000);
}

void Histogram::record_thousandths(uint64_t thousandths) {
  buckets_[bucket_of(thousandths)].add();
  sum_thousandths_.add(thousandths);
}

HistogramTotals Histogram::totals() const {
  HistogramTotals totals;
  for (size_t i = 0; i < kBuckets; ++i) totals.buckets[i] = buckets_[i].value();
  totals.sum_thousandths = sum_thousandths_.value();
  return totals;
}

}  // namespace mesh::telemetry
