// The resilience policies of a route, as values.
//
// Semantics and defaults are Envoy's (config.route.v3 RetryPolicy; filter
// docs "router" for the x-envoy-retry-on conditions).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace mesh::resilience {

// A retry condition each; a set is an OR of bits.
enum RetryOn : uint32_t {
  kRetryOn5xx = 1U << 0,
  kRetryOnGatewayError = 1U << 1,
  kRetryOnReset = 1U << 2,
  kRetryOnConnectFailure = 1U << 3,
  kRetryOnRefusedStream = 1U << 4,
  kRetryOnRetriable4xx = 1U << 5,
  kRetryOnRetriableStatusCodes = 1U << 6,
  kRetryOnResetBeforeRequest = 1U << 7,
  kRetryOnUnavailable = 1U << 8,         // gRPC status 14
  kRetryOnCancelled = 1U << 9,           // gRPC status 1
  kRetryOnDeadlineExceeded = 1U << 10,   // gRPC status 4
  kRetryOnInternal = 1U << 11,           // gRPC status 13
  kRetryOnResourceExhausted = 1U << 12,  // gRPC status 8
  kRetryOnEnvoyRateLimited = 1U << 13,   // x-envoy-ratelimited in the answer
  kRetryOnRetriableHeaders = 1U << 14,
};

// A field of an answer that says when to come again.
struct ResetHeader {
  enum class Format : uint8_t { Seconds, UnixTimestamp } format = Format::Seconds;
  std::string name;  // lower-case
  bool operator==(const ResetHeader&) const = default;
};

struct RetryPolicy {
  uint32_t retry_on = 0;
  uint32_t num_retries = 1;
  Duration per_try_timeout{0};       // 0: the route's timeout alone
  Duration per_try_idle_timeout{0};  // 0: none
  std::vector<uint16_t> retriable_status_codes;
  Duration base_interval = std::chrono::milliseconds(25);
  Duration max_interval = std::chrono::milliseconds(250);
  // rate_limited_retry_back_off: the first that is there, and not over the maximum.
  std::vector<ResetHeader> reset_headers;
  Duration reset_interval_max = std::chrono::seconds(300);
  bool avoid_tried_hosts = true;  // previous_hosts predicate
  // previous_priorities: after every so many tries the priorities tried are left; 0: never.
  uint32_t previous_priorities_every = 0;
  bool operator==(const RetryPolicy&) const = default;
};

// A share of requests: numerator of a million.
struct Fraction {
  uint32_t per_million = 0;
  bool operator==(const Fraction&) const = default;
};

struct FaultPolicy {
  Fraction delay_share{};
  Duration delay{0};
  bool delay_by_header = false;  // x-envoy-fault-delay-request says how long
  Fraction abort_share{};
  uint16_t abort_http_status = 0;
  std::optional<uint8_t> abort_grpc_status{};
  bool abort_by_header = false;  // x-envoy-fault-abort-request, -abort-grpc-request
  bool operator==(const FaultPolicy&) const = default;
};

}  // namespace mesh::resilience
