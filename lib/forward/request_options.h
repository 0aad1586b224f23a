// RequestOptions: what the route, its chain and the request ask for together.
//
// Resolved once, when the route is known; the exchange asks nobody else. Zero
// durations mean none.
#pragma once

#include "base/clock.h"
#include "resilience/policy.h"
#include "route/table.h"
#include "xds/values.h"

namespace mesh::forward {

struct RequestOptions {
  Duration timeout{0};          // from the request's end to the response's
  Duration per_try_timeout{0};  // of each try, to the response's head
  Duration idle_timeout{0};     // of the stream
  // Points into the route, or to what the request made of it. Null: no retries.
  const resilience::RetryPolicy* retry = nullptr;
};

// Before a route is known: what the chain says.
RequestOptions options_of(const xds::FilterChain& chain);
// `route` and `chain` outlive the result.
RequestOptions options_of(const route::Route& route, const xds::FilterChain& chain);

}  // namespace mesh::forward
