// Backoff: how long to wait before a retry.
//
// Fully jittered exponential, as Envoy's router does it ("x-envoy-max-retries"):
// before retry n (from 1) uniform in [0, min((2^n - 1) * base, max)). Spread over
// the whole interval, clients that failed together do not come back together.
#pragma once

#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"
#include "resilience/policy.h"

namespace mesh::resilience {

// `retry` counts from 1. A base of zero or less gives zero; a max below the
// base counts as the base.
Duration backoff(uint32_t retry, Duration base, Duration max, Random& random);

// What an answer's reset header asks to wait: whole seconds, or seconds of the Unix
// epoch; nullopt where it is malformed or past (Envoy, RateLimitedRetryBackOff).
std::optional<Duration> parse_reset(ResetHeader::Format format, std::string_view value,
                                    WallTime now);

// Not before `least`, and at most half of it later: those who were told the same
// do not come back together.
Duration rate_limited_backoff(Duration least, Random& random);

}  // namespace mesh::resilience
