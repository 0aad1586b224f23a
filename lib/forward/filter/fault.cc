#include "forward/filter/fault.h"

#include <algorithm>

#include "base/check.h"
#include "base/text.h"
#include "resilience/fault.h"
#include "route/match.h"

namespace mesh::forward::filter {
namespace {

// A whole number up to `max`, or nothing: what does not parse does nothing (Envoy).
std::optional<uint32_t> number(const http::Fields& fields, std::string_view name, uint32_t max) {
  const auto text = fields.get(name);
  if (!text) return std::nullopt;
  const auto value = text::parse_uint(*text, max);
  return value ? std::optional<uint32_t>(uint32_t(*value)) : std::nullopt;
}

// x-envoy-fault-*: Envoy, "Controlling fault injection via HTTP headers".
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

}  // namespace

std::shared_ptr<const Filter> Fault::make(std::shared_ptr<const route::FilterConfig> config) {
  const auto* const rules = route::value_of<route::FaultRules>(config.get());
  MESH_CHECK(rules != nullptr);
  if (rules->policy == resilience::FaultPolicy{}) return nullptr;
  return std::make_shared<const Fault>(std::move(config), *rules);
}

bool Fault::is_for(const Context& context) const {
  const route::Request request{.authority = context.head.authority,
                               .method = context.head.method,
                               .scheme = context.head.scheme,
                               .path = context.head.path,
                               .fields = &context.head.fields};
  if (!std::all_of(rules_.headers.begin(), rules_.headers.end(),
                   [&](const route::FieldMatch& match) { return holds(match, request); }))
    return false;
  // Of several clusters by weight any may be the one: which it is, is not told here.
  const std::string& cluster = rules_.upstream_cluster;
  return cluster.empty() ||
         std::any_of(context.route.clusters.begin(), context.route.clusters.end(),
                     [&](const route::WeightedCluster& c) { return c.cluster == cluster; });
}

Verdict Fault::on_try(Context& context, Slot& slot) const {
  if (!is_for(context)) return {};
  const resilience::FaultPolicy& policy = rules_.policy;
  const bool by_header = policy.delay_by_header || policy.abort_by_header;
  const resilience::Fault fault = resilience::decide_fault(
      policy, context.random,
      by_header ? asked_for(context.head.fields) : resilience::FaultRequest{});
  if (!fault) return {};
  if (rules_.max_active && slot[0] == 0) {
    if (active_.fetch_add(1, std::memory_order_relaxed) >= *rules_.max_active) {
      active_.fetch_sub(1, std::memory_order_relaxed);
      return {};
    }
    slot[0] = 1;
  }
  Verdict verdict;
  if (fault.delay > Duration::zero()) {
    verdict.delay = fault.delay;
    verdict.delay_flags = telemetry::Flag::DelayInjected;
  }
  if (fault.abort) {
    verdict.status = fault.http_status;
    if (fault.grpc_status) verdict.grpc_status = *fault.grpc_status;
    verdict.flags = telemetry::Flag::FaultInjected;
    verdict.details = "fault_filter_abort";
    verdict.body = "fault filter abort";
  }
  return verdict;
}

void Fault::on_end(const End&, Instant, Slot& slot) const {
  if (slot[0] != 0) active_.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace mesh::forward::filter
