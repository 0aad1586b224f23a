#include "route/fault_rules.h"

#include <algorithm>

#include "base/text.h"
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

}  // namespace

resilience::FaultOdds fault_odds(const FaultRules& rules, const Request& request,
                                 const Route& route) {
  if (!is_for(rules, request, route)) return {};
  const resilience::FaultPolicy& policy = rules.policy;
  const bool by_header = policy.delay_by_header || policy.abort_by_header;
  return resilience::fault_odds(
      policy, by_header ? asked_for(*request.fields) : resilience::FaultRequest{});
}

}  // namespace mesh::route
