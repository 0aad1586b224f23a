// Retry: whether an attempt that ended is worth another.
//
// Semantics and names: Envoy, router filter, "x-envoy-retry-on" and
// "x-envoy-retry-grpc-on". Pure, no allocation.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "resilience/policy.h"

namespace mesh::resilience {

// How an attempt ended without an answer.
enum class Failure : uint8_t {
  None,            // there was an answer: see status
  ConnectFailure,  // no connection: refused, unreachable, TLS, connect timeout
  RefusedStream,   // the upstream said it did nothing (REFUSED_STREAM, GOAWAY below the id)
  Reset,           // the connection or stream died before the answer's head
  SlowTry,         // no answer within the per-try timeout, and the try goes on (hedging)
  PerTryTimeout,   // no answer within the per-try timeout
  Overflow,        // a limit of ours kept it back; never retried
};

struct Outcome {
  Failure failure = Failure::None;
  uint16_t status = 0;                   // with Failure::None
  std::optional<uint8_t> grpc_status{};  // of an answer's head (trailers-only among them)
  // The request's head was handed to the connection: the upstream may have
  // acted on it.
  bool request_started = false;
  bool rate_limited = false;      // the answer has x-envoy-ratelimited
  bool retriable_header = false;  // the answer matches the policy's retriable_headers
};

// What was asked in retry_on, in Envoy's words: "5xx", "gateway-error", "reset",
// "reset-before-request", "connect-failure", "envoy-ratelimited", "refused-stream",
// "retriable-4xx", "retriable-status-codes", "retriable-headers", "cancelled",
// "deadline-exceeded", "internal", "resource-exhausted", "unavailable", separated by
// commas ("http3-post-connect-failure" is refused: there is no HTTP/3); plain status codes as
// Istio's retryOn has them go to `status_codes` (and set kRetryOnRetriableStatusCodes).
struct RetryConditions {
  uint32_t retry_on = 0;
  std::vector<uint16_t> status_codes;
};
// Errc::Invalid names the first word that is not supported.
Result<RetryConditions> parse_retry_on(std::string_view text);
// As a request asks (x-envoy-retry-on, x-envoy-retry-grpc-on): bits of RetryOn; what
// is not known is passed over, as Envoy does.
uint32_t asked_retry_on(std::string_view text);

// One of the conditions of `policy` holds for `outcome`.
bool retriable(const RetryPolicy& policy, const Outcome& outcome);

enum class Verdict : uint8_t {
  Retry,          // and hold the permit you got
  NotRetriable,   // the policy does not ask for it: the outcome stands
  LimitExceeded,  // num_retries are used up: flag URX
  Overflow,       // the cluster's retry budget is: flag UO
};

// Decides after attempt number `attempt` (1 is the first). Takes a place of
// `acquire` only when all else holds; acquire() says whether there was one, e.g.
//   decide(policy, outcome, n, [&] { return bool(permit = budget.acquire(usage, now)); });
template <class Acquire>
Verdict decide(const RetryPolicy& policy, const Outcome& outcome, uint32_t attempt,
               Acquire&& acquire) {
  if (!retriable(policy, outcome)) return Verdict::NotRetriable;
  if (attempt > policy.num_retries) return Verdict::LimitExceeded;
  return acquire() ? Verdict::Retry : Verdict::Overflow;
}

}  // namespace mesh::resilience
