// RequestPolicy: what few routes say of time and tries, beside Route's own.
//
// Names and defaults are Envoy's (config.route.v3 RouteAction, VirtualHost). Const,
// shared by the routes that say the same. A missing duration leaves it to the
// connection manager; zero is "none".
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "route/field_matchers.h"

namespace mesh::route {

// Route.stat_prefix: its requests are counted apart.
struct RouteStat {
  std::string virtual_host, prefix;
  std::string name;  // of both: one for all routes that have them
};

struct RequestPolicy {
  std::optional<Duration> idle_timeout;  // of the stream
  // max_stream_duration: of the request and its answer; grpc-timeout in its place,
  // up to `grpc_timeout_header_max` (zero: without end), less the offset.
  std::optional<Duration> max_stream_duration;
  std::optional<Duration> grpc_timeout_header_max;
  Duration grpc_timeout_header_offset{0};
  // max_grpc_timeout: grpc-timeout in the place of the route's timeout, likewise.
  std::optional<Duration> max_grpc_timeout;
  Duration grpc_timeout_offset{0};

  // With the retry policy: answers that are retried, requests that may be (empty: all).
  FieldMatchers retriable_headers;
  FieldMatchers retriable_request_headers;
  // A try that passed its timeout goes on while another begins.
  bool hedge_on_per_try_timeout = false;
  // Of a request's body, kept for another try.
  std::optional<uint64_t> body_kept_bytes_max;
  bool attempt_count_in_request = false;  // x-envoy-attempt-count
  bool attempt_count_in_response = false;
  std::optional<RouteStat> stat;
};

}  // namespace mesh::route
