#include "resilience/adaptive_limit.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace mesh::resilience {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

int64_t ns(Instant now) { return now.time_since_epoch().count(); }

}  // namespace

void LatencyCounts::add(Duration latency) {
  const auto us = uint64_t(
      std::max<int64_t>(1, std::chrono::duration_cast<std::chrono::microseconds>(latency).count()));
  const auto power = unsigned(std::bit_width(us)) - 1;
  // What is left of the leading bit says which part of the power it is.
  const uint64_t part = power >= 5 ? us >> (power - 5) : us << (5 - power);
  const size_t at = size_t(std::min(power, kPowers - 1)) * kParts +
                    (power < kPowers ? size_t(part & (kParts - 1)) : kParts - 1);
  counts_[at].fetch_add(1, kRelaxed);
  size_.fetch_add(1, kRelaxed);
}

Duration LatencyCounts::take(double percentile) {
  std::array<uint32_t, size_t(kParts) * kPowers> taken;
  uint64_t sum = 0;
  for (size_t i = 0; i < counts_.size(); ++i)
    sum += taken[i] = counts_[i].load(kRelaxed) == 0 ? 0 : counts_[i].exchange(0, kRelaxed);
  size_.fetch_sub(uint32_t(sum), kRelaxed);
  if (sum == 0) return Duration(0);
  auto wanted = uint64_t(std::ceil(percentile * double(sum)));
  wanted = std::clamp<uint64_t>(wanted, 1, sum);
  size_t at = 0;
  for (uint64_t seen = taken[0]; seen < wanted; seen += taken[at]) ++at;
  // The middle of the part.
  const double low = std::ldexp(1.0 + double(at % kParts) / kParts, int(at / kParts));
  const double width = std::ldexp(1.0 / kParts, int(at / kParts));
  return Duration(int64_t((low + width / 2) * 1000));
}

void AdaptiveLimit::begin_measuring(const AdaptivePolicy& policy) {
  if (policy.fixed_min_rtt > Duration::zero()) return;
  limit_before_ = std::max(policy.limit_min, limit_.load(kRelaxed));
  at_minimum_ = 0;
  samples_.take(policy.percentile);
  limit_.store(policy.limit_min, kRelaxed);
  measuring_.store(true, kRelaxed);
}

void AdaptiveLimit::end_measuring(const AdaptivePolicy& policy, Instant now, Random& random) {
  min_rtt_.store(samples_.take(policy.percentile).count(), kRelaxed);
  limit_.store(std::clamp(limit_before_, policy.limit_min, policy.limit_max), kRelaxed);
  measuring_.store(false, kRelaxed);
  const double wait = double(policy.min_rtt_interval.count()) * (1 + policy.jitter * random.unit());
  next_measuring_ = now + Duration(int64_t(wait));
}

void AdaptiveLimit::update(const AdaptivePolicy& policy) {
  const Duration sample = samples_.take(policy.percentile);
  if (sample == Duration::zero()) return;
  sample_rtt_.store(sample.count(), kRelaxed);
  const Duration ideal = policy.fixed_min_rtt > Duration::zero() ? policy.fixed_min_rtt : min_rtt();
  const double gradient =
      std::clamp(double(ideal.count()) * (1 + policy.buffer) / double(sample.count()), 0.5, 2.0);
  const double limit = double(limit_.load(kRelaxed)) * gradient;
  const double next = limit + std::sqrt(limit);
  limit_.store(uint32_t(std::clamp(next, double(policy.limit_min), double(policy.limit_max))),
               kRelaxed);
  at_minimum_ = limit_.load(kRelaxed) == policy.limit_min ? at_minimum_ + 1 : 0;
}

// One at a time; the others pass by.
void AdaptiveLimit::look(const AdaptivePolicy& policy, Instant now, Random& random) {
  if (looking_.exchange(true, std::memory_order_acquire)) return;
  if (limit_.load(kRelaxed) == 0) {
    limit_.store(policy.limit_min, kRelaxed);
    min_rtt_.store(policy.fixed_min_rtt.count(), kRelaxed);
    begin_measuring(policy);
  } else if (measuring_.load(kRelaxed)) {
    if (samples_.size() >= policy.min_rtt_requests) end_measuring(policy, now, random);
  } else if (ns(now) >= next_look_.load(kRelaxed)) {
    update(policy);
    const bool measured = policy.fixed_min_rtt <= Duration::zero();
    if (measured && (now >= next_measuring_ || at_minimum_ >= kAtMinimumMax))
      begin_measuring(policy);
  }
  next_look_.store(ns(now + policy.update_interval), kRelaxed);
  looking_.store(false, std::memory_order_release);
}

bool AdaptiveLimit::begin(const AdaptivePolicy& policy, Instant now, Random& random) {
  if (limit_.load(kRelaxed) == 0 ||
      (ns(now) >= next_look_.load(kRelaxed) && !measuring_.load(kRelaxed)))
    look(policy, now, random);
  uint32_t seen = under_way_.load(kRelaxed);
  do {
    if (seen >= std::max(1U, limit_.load(kRelaxed))) {
      blocked_.fetch_add(1, kRelaxed);
      return false;
    }
  } while (!under_way_.compare_exchange_weak(seen, seen + 1, kRelaxed));
  return true;
}

void AdaptiveLimit::end(const AdaptivePolicy& policy, Duration latency, Instant now,
                        Random& random) {
  under_way_.fetch_sub(1, kRelaxed);
  samples_.add(latency);
  if (measuring_.load(kRelaxed) && samples_.size() >= policy.min_rtt_requests)
    look(policy, now, random);
}

}  // namespace mesh::resilience
