// What the forwarder itself changes in heads: identifiers, provenance, and what
// must not pass an untrusted edge. Envoy's conventions ("HTTP header
// manipulation"). Values that are made here live in the scratch.
#pragma once

#include "base/clock.h"
#include "base/random.h"
#include "forward/scratch.h"
#include "http/message.h"
#include "xds/values.h"

namespace mesh::forward {

struct HeadFacts {
  bool secure = false;
  // The peer's address; used where the chain uses the remote address (an edge).
  std::string_view remote_host;
};

// x-envoy-* that only the mesh may set are removed at an edge (use_remote_address);
// x-forwarded-for is appended there; x-forwarded-proto, x-request-id (unless the
// chain says no) and, where the chain traces, traceparent are made where they are
// missing or malformed. Without tracing a traceparent passes as it came.
void prepare_request(http::RequestHead& head, const xds::FilterChain& chain, const HeadFacts& facts,
                     Random& random, Scratch& scratch);

// x-envoy-upstream-service-time, in whole milliseconds.
void add_service_time(http::Fields& fields, Duration time, Scratch& scratch);

}  // namespace mesh::forward
