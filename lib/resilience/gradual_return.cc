#include "resilience/gradual_return.h"

#include <algorithm>

namespace mesh::resilience {

double weight_factor(const GradualReturn& policy, Instant returned, Instant now) {
  if (!policy.enabled || returned == Instant{}) return 1;
  const Duration since = std::max<Duration>(now - returned, Duration::zero());
  if (since < policy.probe_time) return policy.probe_share;
  const Duration ramping = since - policy.probe_time;
  if (ramping >= policy.ramp) return 1;
  const double done = double(ramping.count()) / double(policy.ramp.count());
  return policy.probe_share + (1 - policy.probe_share) * done;
}

Instant next_change(const GradualReturn& policy, Instant returned, Instant now) {
  if (!policy.enabled || returned == Instant{}) return Instant::max();
  const Instant ramp_begin = returned + policy.probe_time;
  if (now < ramp_begin) return ramp_begin;
  const Instant end = ramp_begin + policy.ramp;
  if (now >= end) return Instant::max();
  return std::min(end, now + std::max<Duration>(policy.ramp / 20, std::chrono::milliseconds(1)));
}

}  // namespace mesh::resilience
