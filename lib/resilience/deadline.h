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

// What a route says of timeouts, and what the request asks for: its fields are
// honoured only from a trusted peer, so the caller gives none of another's.
struct TimeoutRules {
  Duration request{0};
  Duration per_try{0};
  // max_grpc_timeout: the caller's grpc-timeout in the place of `request`, at most
  // this (zero: without end), less the offset.
  std::optional<Duration> max_grpc_timeout{};
  Duration grpc_timeout_offset{0};
};
struct TimeoutAsked {
  std::optional<Duration> request{};       // x-envoy-upstream-rq-timeout-ms
  std::optional<Duration> per_try{};       // x-envoy-upstream-rq-per-try-timeout-ms
  std::optional<Duration> expected{};      // x-envoy-expected-rq-timeout-ms, where respected
  std::optional<Duration> grpc_timeout{};  // of a gRPC request
  bool grpc = false;
};
Timeouts timeouts(const TimeoutRules& rules, const TimeoutAsked& asked);

// What the upstream is told it has (x-envoy-expected-rq-timeout-ms): the try's time,
// within what is left of the request's after `elapsed`, at least 1 ms. Zero: nothing
// to tell. When hedging, a try may take all of the request's time.
Duration expected_timeout(const Timeouts& timeouts, Duration elapsed, bool hedging);

// How long a request and its answer may take, from its start (Envoy, RouteAction
// MaxStreamDuration). Zero: without end.
struct StreamDurationRules {
  std::optional<Duration> route{};  // max_stream_duration
  std::optional<Duration> grpc_timeout_header_max{};
  Duration grpc_timeout_header_offset{0};
  Duration manager{0};  // of the connection manager
};
Duration stream_duration(const StreamDurationRules& rules, std::optional<Duration> grpc_timeout);

// grpc-timeout (grpc/doc/PROTOCOL-HTTP2.md): one to eight digits and a unit out of
// H M S m u n; nullopt for anything else.
std::optional<Duration> parse_grpc_timeout(std::string_view value);
// The finest unit of ms, s, min, h that needs no more than eight digits. `into` has
// room for kGrpcTimeoutBytes.
inline constexpr size_t kGrpcTimeoutBytes = 24;
std::string_view format_grpc_timeout(Duration timeout, char* into);

// A header value in whole milliseconds, at most a day; nullopt for anything else.
std::optional<Duration> parse_timeout_ms(std::string_view value);

// What is left of `deadline`, at least zero. Instant::max() is never.
Duration remaining(Instant deadline, Instant now);

// now + timeout, or Instant::max() for none.
Instant deadline_after(Instant now, Duration timeout);

}  // namespace mesh::resilience
