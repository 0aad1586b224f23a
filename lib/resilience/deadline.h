// Deadline: how long a request, and each attempt of it, may take.
//
// Semantics: Envoy, router filter, "x-envoy-upstream-rq-timeout-ms": the route's
// timeout runs from the end of the request; a per-try timeout that is not below
// it never fires and is dropped. Zero means none, throughout.
#pragma once

#include <optional>
#include <string_view>

#include "base/clock.h"

namespace mesh::resilience {

struct Timeouts {
  Duration request{0};
  Duration per_try{0};
};

// `asked` is the request's own x-envoy-upstream-rq-timeout-ms, honoured only
// from a trusted peer: the caller passes nullopt otherwise.
Timeouts timeouts(Duration route, Duration per_try, std::optional<Duration> asked);

// A header value in whole milliseconds, at most a day; nullopt for anything else.
std::optional<Duration> parse_timeout_ms(std::string_view value);

// What is left of `deadline`, at least zero. Instant::max() is never.
Duration remaining(Instant deadline, Instant now);

// now + timeout, or Instant::max() for none.
Instant deadline_after(Instant now, Duration timeout);

}  // namespace mesh::resilience
