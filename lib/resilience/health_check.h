// HealthCheck: when a host is checked, and what a row of answers makes of it.
//
// Semantics and defaults: Envoy, config.core.v3 HealthCheck, and arch overview,
// "Health checking": a host counts as failed until its first check; the first
// answer decides at once; from then on `healthy_threshold` good ones in a row bring
// it back, `unhealthy_threshold` bad ones take it out, but an answer that says
// plainly that it is not well takes it out at once. Pure: the prober feeds it.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "base/random.h"

namespace mesh::resilience {

struct HealthCheckPolicy {
  Duration timeout{0};
  Duration interval{0};
  Duration initial_jitter{0};
  Duration interval_jitter{0};
  uint32_t interval_jitter_percent = 0;
  uint32_t unhealthy_threshold = 1;
  uint32_t healthy_threshold = 1;
  // While the cluster has had no connection for a request yet.
  Duration no_traffic_interval = std::chrono::seconds(60);
  Duration no_traffic_healthy_interval = std::chrono::seconds(60);
  Duration unhealthy_interval{0};       // decoding fills in `interval`
  Duration unhealthy_edge_interval{0};  // ... `unhealthy_interval`
  Duration healthy_edge_interval{0};    // ... `interval`
  bool operator==(const HealthCheckPolicy&) const = default;
};

// How a check ended.
enum class CheckResult : uint8_t {
  Healthy,
  Degraded,   // healthy, with x-envoy-degraded
  Failed,     // it answered, and is not well
  Retriable,  // it answered, with one of retriable_statuses: counts towards the threshold
  Network,    // no connection, or it broke
  Timeout,
};
constexpr bool is_success(CheckResult r) {
  return r == CheckResult::Healthy || r == CheckResult::Degraded;
}

// One host's row of answers. One thread.
class HealthRow {
 public:
  enum class Transition : uint8_t { Unchanged, Changed, ChangePending };

  // Begins failed, awaiting its first check; or well, where the host was in use
  // before there were checks.
  explicit HealthRow(bool healthy = false) : healthy_(healthy), checked_(healthy) {}

  Transition on_result(const HealthCheckPolicy& policy, CheckResult result);
  // Failed at once, by what a request was answered (x-envoy-immediate-health-check-fail).
  Transition fail_now();

  bool healthy() const { return healthy_; }
  bool degraded() const { return degraded_; }
  bool checked() const { return checked_; }  // at least once

 private:
  bool healthy_ = false;
  bool degraded_ = false;
  bool checked_ = false;
  uint32_t good_ = 0;
  uint32_t bad_ = 0;
};

// How long to wait for the next check. `traffic`: the cluster has had connections.
Duration next_check(const HealthCheckPolicy& policy, bool healthy, HealthRow::Transition transition,
                    bool traffic, Random& random);
// How long to wait for the very first one.
Duration first_check(const HealthCheckPolicy& policy, Random& random);

}  // namespace mesh::resilience
