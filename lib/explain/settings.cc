#include "explain/settings.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "explain/fault.h"
#include "forward/request_options.h"
#include "route/explain.h"

namespace mesh::explain {
namespace {

struct Condition {
  resilience::RetryOn bit;
  std::string_view name;
};
constexpr std::array kConditions = std::to_array<Condition>({
    {resilience::kRetryOn5xx, "5xx"},
    {resilience::kRetryOnGatewayError, "gateway-error"},
    {resilience::kRetryOnReset, "reset"},
    {resilience::kRetryOnResetBeforeRequest, "reset-before-request"},
    {resilience::kRetryOnConnectFailure, "connect-failure"},
    {resilience::kRetryOnRefusedStream, "refused-stream"},
    {resilience::kRetryOnRetriable4xx, "retriable-4xx"},
    {resilience::kRetryOnRetriableStatusCodes, "retriable-status-codes"},
    {resilience::kRetryOnRetriableHeaders, "retriable-headers"},
    {resilience::kRetryOnEnvoyRateLimited, "envoy-ratelimited"},
    {resilience::kRetryOnUnavailable, "unavailable"},
    {resilience::kRetryOnCancelled, "cancelled"},
    {resilience::kRetryOnDeadlineExceeded, "deadline-exceeded"},
    {resilience::kRetryOnInternal, "internal"},
    {resilience::kRetryOnResourceExhausted, "resource-exhausted"},
});

std::string percent(resilience::Fraction share) {
  return route::percent_text(double(share.per_million) / 10'000);
}

std::string words_of(const resilience::RetryPolicy& retry) {
  std::string out = std::to_string(retry.num_retries) + " on ";
  std::vector<std::string> on;
  for (const Condition& condition : kConditions)
    if ((retry.retry_on & condition.bit) != 0) on.emplace_back(condition.name);
  out += on.empty() ? "nothing" : text::join(on, ",");
  for (const uint16_t status : retry.retriable_status_codes) out += "," + std::to_string(status);
  return out;
}

std::string words_of(const route::FaultRules& rules) {
  const resilience::FaultPolicy& policy = rules.policy;
  std::vector<std::string> parts;
  if (policy.delay > Duration::zero())
    parts.push_back("delay " + text::format_duration(policy.delay) + " of " +
                    percent(policy.delay_share));
  if (policy.delay_by_header) parts.emplace_back("delay by x-envoy-fault-delay-request");
  if (policy.abort_http_status != 0)
    parts.push_back("abort " + std::to_string(policy.abort_http_status) + " of " +
                    percent(policy.abort_share));
  if (policy.abort_grpc_status)
    parts.push_back("abort with gRPC status " + std::to_string(*policy.abort_grpc_status) + " of " +
                    percent(policy.abort_share));
  if (policy.abort_by_header) parts.emplace_back("abort by x-envoy-fault-abort-request");
  return text::join(parts, ", ");
}

std::string words_of(const route::HostRewrite& rewrite) {
  switch (rewrite.kind) {
    case route::HostRewrite::Kind::Literal: return rewrite.text;
    case route::HostRewrite::Kind::Auto: return "the endpoint's name";
    case route::HostRewrite::Kind::Header: return "header " + rewrite.text;
    case route::HostRewrite::Kind::PathRegex: break;
  }
  return "by a regex of the path";
}

class Adder {
 public:
  Adder(const Held& held, const RoutePlace& place, v1::Route& into)
      : held_(held), place_(place), into_(into) {}

  // `key`: of the route's origins; `set`: somebody said so.
  void add(const std::string& name, const std::string& value, const std::string& key) {
    auto& setting = *into_.add_settings();
    setting.set_name(name);
    setting.set_value(value);
    if (!key.empty())
      *setting.mutable_origin() = held_.route_origin(place_.table, place_.host, place_.route, key);
  }

 private:
  const Held& held_;
  const RoutePlace& place_;
  v1::Route& into_;
};

}  // namespace

void add_settings(const Held& held, const RoutePlace& place, const route::Route& route,
                  const xds::FilterChain& chain, v1::Route& into) {
  Adder adder(held, place, into);
  if (const auto* const faults = faults_of(route, chain))
    adder.add("fault", words_of(*faults), "fault");
  if (route.clusters.empty()) return;
  const forward::RequestOptions options = forward::options_of(route, chain);
  const auto duration = [](Duration d) {
    return d > Duration::zero() ? text::format_duration(d) : std::string("none");
  };
  adder.add("timeout", duration(options.timeout), "timeout");
  if (options.retry != nullptr && options.retry->num_retries > 0) {
    adder.add("retries", words_of(*options.retry), "retries");
    if (options.per_try_timeout > Duration::zero())
      adder.add("per-try-timeout", duration(options.per_try_timeout), "retries");
  } else {
    adder.add("retries", "none", "retries");
  }
  if (options.idle_timeout > Duration::zero())
    adder.add("idle-timeout", duration(options.idle_timeout), "");
  if (options.max_stream_duration > Duration::zero())
    adder.add("max-duration", duration(options.max_stream_duration), "");
  if (route.rewrite_path) adder.add("rewrite-path", route.prefix_rewrite, "config");
  if (route.regex_rewrite) adder.add("rewrite-path", "by a regex", "config");
  if (route.host_rewrite) adder.add("rewrite-host", words_of(*route.host_rewrite), "config");
  for (const route::Mirror& mirror : route.mirrors)
    adder.add("mirror",
              (mirror.share ? percent(*mirror.share) + " to " : "to ") +
                  (mirror.cluster.empty() ? "header " + mirror.cluster_header : mirror.cluster),
              "config");
}

}  // namespace mesh::explain
