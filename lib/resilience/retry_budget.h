// RetryBudget: how many retries a cluster may have at once.
//
// A share of what is active, with a floor, so that retries cannot multiply an
// outage; without a share a fixed count rules. Semantics: Envoy, config.cluster.v3
// CircuitBreakers.Thresholds.RetryBudget. Any thread.
#pragma once

#include <cstdint>
#include <optional>

#include "resilience/limits.h"

namespace mesh::resilience {

struct RetryBudget {
  std::optional<double> percent;  // of requests active and pending; 0 to 100
  uint32_t min_concurrency = 3;   // with percent: this many are always allowed
  uint32_t max_retries = 3;       // without percent
  // With percent: of the requests that began within so long, where these are more; 0: none.
  // Usage::recent is there then.
  Duration interval{0};

  // How many retries there may be at once.
  uint64_t allowed(const Usage& usage, Instant now) const;

  // Takes a place for one retry; an empty permit when there is none (UO).
  // Hold it until the retry has been answered.
  Permit acquire(Usage& usage, Instant now) const {
    return Permit::acquire(usage.retries, allowed(usage, now));
  }
};

}  // namespace mesh::resilience
