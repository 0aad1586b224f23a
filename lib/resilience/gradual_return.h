// GradualReturn: a host that comes back is given little first, then more.
//
// After an ejection or a failed health check a host takes `probe_share` of its
// weight for `probe_time`: a few requests that show whether it is well. Then the
// share grows in a line to the whole over `ramp`. A new ejection begins it all
// again. Ours (mesh/v1 ServicePolicy.outlierReturn): Envoy and Istio return a host
// with all its weight at once, and so does a policy that is not enabled. Pure.
#pragma once

#include "base/clock.h"

namespace mesh::resilience {

struct GradualReturn {
  bool enabled = false;
  double probe_share = 0.05;  // over 0, at most 1
  Duration probe_time = std::chrono::seconds(10);
  Duration ramp = std::chrono::seconds(30);
  bool operator==(const GradualReturn&) const = default;
};

// What a host's weight is multiplied by at `now`, over 0 to 1: 1 where the policy
// is not enabled, the host never was away (`returned` is the epoch), or the time
// is over. The balancer asks for all hosts of a cluster where next_change() says so.
double weight_factor(const GradualReturn& policy, Instant returned, Instant now);

// When the factor is worth asking for again; Instant::max() once it stays 1. While
// it grows: a twentieth of the ramp later.
Instant next_change(const GradualReturn& policy, Instant returned, Instant now);

}  // namespace mesh::resilience
