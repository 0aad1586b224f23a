// RequestOptions: what the route, its chain and the request ask for together.
//
// Resolved once, when the route is known; the exchange asks nobody else. Zero
// durations mean none. Semantics: Envoy, router filter.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "http/message.h"
#include "resilience/deadline.h"
#include "resilience/policy.h"
#include "route/request_policy.h"
#include "route/table.h"
#include "xds/values.h"

namespace mesh::forward {

struct RequestOptions {
  // Of a request's body, kept for another try: Envoy's default.
  static constexpr uint64_t kBodyKeptMax = 1 << 20;

  Duration timeout{0};               // from the request's end to the response's
  Duration per_try_timeout{0};       // of each try, to the response's head
  Duration per_try_idle_timeout{0};  // of each try, while nothing moves
  Duration idle_timeout{0};          // of the stream
  Duration max_stream_duration{0};   // from the request's head to the response's end
  Duration request_timeout{0};       // from the request's head to its end
  uint64_t body_kept_max = kBodyKeptMax;
  // Points into the route, or to what the request made of it. Null: no retries.
  const resilience::RetryPolicy* retry = nullptr;
  const route::RequestPolicy* policy = nullptr;  // of the route; may be null
  bool hedge = false;                            // a try that passed its timeout goes on
};

// What a request says of its own tries, where it is trusted (x-envoy-retry-on and
// the like).
struct AskedRetries {
  resilience::RetryPolicy policy;              // the route's, and more
  std::vector<std::string_view> header_names;  // x-envoy-retriable-header-names; of the head
};

// Before a route is known: what the chain says.
RequestOptions options_of(const xds::FilterChain& chain);
// `route` and `chain` outlive the result.
RequestOptions options_of(const route::Route& route, const xds::FilterChain& chain);

// A gRPC request's grpc-timeout, as the route asks for it.
void use_grpc_timeout(const http::RequestHead& head, const route::Route& route,
                      const xds::FilterChain& chain, RequestOptions& options);
// A trusted request's own x-envoy-* fields, which it loses. `asked` outlives `options`.
void use_request_fields(http::RequestHead& head, bool grpc, const route::Route& route,
                        const xds::FilterChain& chain, AskedRetries& asked,
                        RequestOptions& options);

// Whether a name of `names` is among the fields of an answer.
bool has_any(const http::Fields& fields, const std::vector<std::string_view>& names);

}  // namespace mesh::forward
