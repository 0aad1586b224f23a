// What the forwarder itself changes in heads: identifiers, provenance, and what
// must not pass an untrusted edge. Envoy's conventions ("HTTP header
// manipulation"). Values that are made here live in the scratch.
#pragma once

#include "authz/ip_range.h"
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

// What the head had that the caller has to decide on.
struct HeadNotes {
  bool envoy_fields = false;  // x-envoy-*, not cleaned yet
  bool client_cert = false;   // x-forwarded-client-cert
  // Of a trace that is sampled, where the chain reports spans: it began here, or came.
  enum class Trace : uint8_t { None, Begun, Continued } trace = Trace::None;
};

// x-forwarded-for and x-forwarded-proto as the edge's rules have it (an edge believes
// xff_num_trusted_hops proxies before it, and nobody else), x-envoy-external-address
// there; x-request-id (unless the chain says no) and, where the chain traces,
// traceparent are made where they are missing, malformed or not believed. Without
// tracing a traceparent passes as it came. At an edge x-envoy-* are cleaned.
HeadNotes prepare_request(http::RequestHead& head, const xds::FilterChain& chain,
                          const HeadFacts& facts, Random& random, Scratch& scratch);

// The client whom the edge believes in, after prepare_request(): by X-Forwarded-For and
// xff_num_trusted_hops; else `remote`, the connection's (Envoy, "x-forwarded-for").
authz::Ip client_ip(const http::Fields& fields, const xds::Edge& edge, const authz::Ip& remote);

// Removes what only the mesh itself may say of tries, timeouts and logs.
void clean_internal(http::Fields& fields);

// Sets `name` to a number.
void set_number(http::Fields& fields, std::string_view name, uint64_t value, Scratch& scratch);

// x-envoy-upstream-service-time, in whole milliseconds.
void add_service_time(http::Fields& fields, Duration time, Scratch& scratch);

}  // namespace mesh::forward
