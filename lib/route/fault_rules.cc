#include "route/fault_rules.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "resilience/retry.h"
#include "route/match.h"

namespace mesh::route {
namespace {

// A whole number up to `max`, or nothing: what does not parse does nothing (Envoy).
std::optional<uint32_t> number(const http::Fields& fields, std::string_view name, uint32_t max) {
  const auto text = fields.get(name);
  if (!text) return std::nullopt;
  const auto value = text::parse_uint(*text, max);
  return value ? std::optional<uint32_t>(uint32_t(*value)) : std::nullopt;
}

resilience::FaultRequest asked_for(const http::Fields& fields) {
  constexpr uint32_t kDelayMsMax = 24 * 3600 * 1000;
  resilience::FaultRequest asked;
  if (const auto ms = number(fields, "x-envoy-fault-delay-request", kDelayMsMax))
    asked.delay = std::chrono::milliseconds(*ms);
  if (const auto status = number(fields, "x-envoy-fault-abort-request", 599);
      status && *status >= 200)
    asked.http_status = uint16_t(*status);
  if (const auto status = number(fields, "x-envoy-fault-abort-grpc-request", 16))
    asked.grpc_status = uint8_t(*status);
  asked.delay_percent = number(fields, "x-envoy-fault-delay-request-percentage", 100);
  asked.abort_percent = number(fields, "x-envoy-fault-abort-request-percentage", 100);
  return asked;
}

bool is_for(const FaultRules& rules, const Request& request, const Route& route) {
  if (!std::all_of(rules.headers.begin(), rules.headers.end(),
                   [&](const FieldMatch& match) { return holds(match, request); }))
    return false;
  // Of several clusters by weight any may be the one: which it is, is not told here.
  const std::string& cluster = rules.upstream_cluster;
  return cluster.empty() ||
         std::any_of(route.clusters.begin(), route.clusters.end(),
                     [&](const WeightedCluster& c) { return c.cluster == cluster; });
}

constexpr uint32_t kAll = 1'000'000;

// Tries that a request has where each ends so.
uint32_t tries(const Route& route, const resilience::Outcome& outcome) {
  const bool again = route.retry != nullptr && resilience::retriable(*route.retry, outcome);
  return again ? route.retry->num_retries + 1 : 1;
}

// RESPONSE_CODE_DETAILS where every try waits so long that nobody is asked; empty: somebody is.
std::string_view late(const Route& route, Duration delay) {
  const Duration per_try = route.retry != nullptr ? route.retry->per_try_timeout : Duration::zero();
  const bool of_try = per_try > Duration::zero() && delay >= per_try;
  const Duration tried =
      of_try ? per_try * tries(route, {.failure = resilience::Failure::PerTryTimeout}) : delay;
  if (route.timeout > Duration::zero() && tried >= route.timeout) return "response_timeout";
  return of_try ? "upstream_per_try_timeout" : "";
}

}  // namespace

resilience::FaultOdds fault_odds(const FaultRules& rules, const Request& request,
                                 const Route& route) {
  if (!is_for(rules, request, route)) return {};
  const resilience::FaultPolicy& policy = rules.policy;
  const bool by_header = policy.delay_by_header || policy.abort_by_header;
  return resilience::fault_odds(
      policy, by_header ? asked_for(*request.fields) : resilience::FaultRequest{});
}

FaultOutcome fault_outcome(const resilience::FaultOdds& odds, const Route& route, bool grpc) {
  FaultOutcome result;
  if (odds.delay_share.per_million > 0) {
    const std::string_view details = late(route, odds.delay);
    result.late = !details.empty();
    if (result.late && odds.delay_share.per_million >= kAll) {
      result.status = 504;
      result.details = details;
    }
  }
  const double share = double(odds.abort_share.per_million) / kAll;
  resilience::Outcome ended;
  ended.status = odds.http_status;
  if (grpc) ended.grpc_status = odds.grpc_status;
  const uint32_t all = tries(route, ended);
  result.aborted = all == 1 ? share : std::pow(share, all);
  if (result.status == 0 && odds.abort_share.per_million >= kAll) {
    result.status = odds.http_status;
    result.details = "fault_filter_abort";
  }
  return result;
}

}  // namespace mesh::route
