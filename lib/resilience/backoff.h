// Backoff: how long to wait before a retry.
//
// Fully jittered exponential, as Envoy's router does it ("x-envoy-max-retries"):
// before retry n (from 1) uniform in [0, min((2^n - 1) * base, max)). Spread over
// the whole interval, clients that failed together do not come back together.
#pragma once

#include "base/clock.h"
#include "base/random.h"

namespace mesh::resilience {

// `retry` counts from 1. A base of zero or less gives zero; a max below the
// base counts as the base.
Duration backoff(uint32_t retry, Duration base, Duration max, Random& random);

}  // namespace mesh::resilience
