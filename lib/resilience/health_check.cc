#include "resilience/health_check.h"

namespace mesh::resilience {

using Transition = HealthRow::Transition;

Transition HealthRow::on_result(const HealthCheckPolicy& policy, CheckResult result) {
  const bool first = !checked_;
  checked_ = true;
  if (is_success(result)) {
    bad_ = 0;
    Transition transition = Transition::Unchanged;
    if (!healthy_) {
      if (!first && ++good_ < policy.healthy_threshold) return Transition::ChangePending;
      healthy_ = true;
      transition = Transition::Changed;
    }
    const bool degraded = result == CheckResult::Degraded;
    if (degraded != degraded_) transition = Transition::Changed;
    degraded_ = degraded;
    return transition;
  }
  good_ = 0;
  // It was failed already; the first check only makes that certain.
  if (!healthy_) return first ? Transition::Changed : Transition::Unchanged;
  const bool at_once = result == CheckResult::Failed;
  if (!at_once && ++bad_ < policy.unhealthy_threshold) return Transition::ChangePending;
  healthy_ = degraded_ = false;
  return Transition::Changed;
}

Transition HealthRow::fail_now() {
  good_ = bad_ = 0;
  if (!healthy_) return Transition::Unchanged;
  healthy_ = degraded_ = false;
  return Transition::Changed;
}

Duration next_check(const HealthCheckPolicy& policy, bool healthy, Transition transition,
                    bool traffic, Random& random) {
  const bool edge = transition == Transition::ChangePending;
  Duration base;
  if (!traffic)
    base = healthy ? policy.no_traffic_healthy_interval : policy.no_traffic_interval;
  else if (healthy)
    base = edge ? policy.healthy_edge_interval : policy.interval;
  else
    base = edge ? policy.unhealthy_edge_interval : policy.unhealthy_interval;
  const Duration jitter = base / 100 * policy.interval_jitter_percent + policy.interval_jitter;
  if (jitter > Duration::zero()) base += Duration(int64_t(random.below(uint64_t(jitter.count()))));
  return base;
}

Duration first_check(const HealthCheckPolicy& policy, Random& random) {
  if (policy.initial_jitter <= Duration::zero()) return Duration::zero();
  return Duration(int64_t(random.below(uint64_t(policy.initial_jitter.count()))));
}

}  // namespace mesh::resilience
