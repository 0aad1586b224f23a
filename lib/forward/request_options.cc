#include "forward/request_options.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "resilience/retry.h"

namespace mesh::forward {
namespace {

constexpr size_t kAskedMax = 64;       // codes and names that a request may list
constexpr uint32_t kRetriesMax = 100;  // that a request may ask for, as a route may

// What the router consumes; the upstream does not see it.
constexpr std::array kConsumed = std::to_array<std::string_view>(
    {"x-envoy-hedge-on-per-try-timeout", "x-envoy-max-retries", "x-envoy-retriable-header-names",
     "x-envoy-retriable-status-codes", "x-envoy-retry-grpc-on", "x-envoy-retry-on",
     "x-envoy-upstream-rq-per-try-timeout-ms", "x-envoy-upstream-rq-timeout-ms"});

std::optional<Duration> milliseconds_in(const http::Fields& fields, std::string_view name) {
  const auto value = fields.get(name);
  return value ? resilience::parse_timeout_ms(*value) : std::nullopt;
}

std::optional<Duration> grpc_timeout_in(const http::Fields& fields) {
  const auto value = fields.get("grpc-timeout");
  return value ? resilience::parse_grpc_timeout(*value) : std::nullopt;
}

resilience::TimeoutRules rules_of(const route::Route& route) {
  resilience::TimeoutRules rules;
  rules.request = route.timeout;
  if (route.retry) rules.per_try = route.retry->per_try_timeout;
  if (!route.policy) return rules;
  rules.max_grpc_timeout = route.policy->max_grpc_timeout;
  rules.grpc_timeout_offset = route.policy->grpc_timeout_offset;
  return rules;
}

void use(const resilience::Timeouts& timeouts, RequestOptions& options) {
  options.timeout = timeouts.request;
  options.per_try_timeout = timeouts.per_try;
}

void add_codes(std::string_view list, resilience::RetryPolicy& policy) {
  for (const auto piece : text::split(list, ',')) {
    const auto code = text::parse_uint(text::trim(piece), 599);
    if (code && *code >= 100 && policy.retriable_status_codes.size() < kAskedMax)
      policy.retriable_status_codes.push_back(uint16_t(*code));
  }
}

// True: the request has tries of its own.
bool ask_retries(const http::Fields& fields, AskedRetries& asked) {
  resilience::RetryPolicy& policy = asked.policy;
  bool any = false;
  for (const auto* name : {"x-envoy-retry-on", "x-envoy-retry-grpc-on"}) {
    const auto value = fields.get(name);
    if (!value) continue;
    policy.retry_on |= resilience::asked_retry_on(*value);
    any = true;
  }
  if (const auto value = fields.get("x-envoy-max-retries"))
    if (const auto number = text::parse_uint(*value, kRetriesMax)) {
      policy.num_retries = uint32_t(*number);
      any = true;
    }
  if (const auto codes = fields.get("x-envoy-retriable-status-codes")) {
    add_codes(*codes, policy);
    any = true;
  }
  if (const auto names = fields.get("x-envoy-retriable-header-names")) {
    for (const auto piece : text::split(*names, ','))
      if (const auto name = text::trim(piece);
          !name.empty() && asked.header_names.size() < kAskedMax)
        asked.header_names.push_back(name);
    any = true;
  }
  return any;
}

}  // namespace

RequestOptions options_of(const xds::FilterChain& chain) {
  RequestOptions options;
  options.idle_timeout = chain.stream_idle_timeout;
  options.max_stream_duration = chain.max_stream_duration;
  options.request_timeout = chain.request_timeout;
  return options;
}

RequestOptions options_of(const route::Route& route, const xds::FilterChain& chain) {
  RequestOptions options = options_of(chain);
  use(resilience::timeouts(rules_of(route), {}), options);
  if (route.retry) {
    options.retry = &*route.retry;
    options.per_try_idle_timeout = route.retry->per_try_idle_timeout;
  }
  if (!route.policy) return options;
  const route::RequestPolicy& policy = *route.policy;
  options.policy = &policy;
  if (policy.idle_timeout) options.idle_timeout = *policy.idle_timeout;
  if (policy.max_stream_duration) options.max_stream_duration = *policy.max_stream_duration;
  if (policy.body_kept_bytes_max) options.body_kept_max = *policy.body_kept_bytes_max;
  options.hedge = policy.hedge_on_per_try_timeout;
  return options;
}

void use_grpc_timeout(const http::RequestHead& head, const route::Route& route,
                      const xds::FilterChain& chain, RequestOptions& options) {
  if (!route.policy) return;
  const route::RequestPolicy& policy = *route.policy;
  if (!policy.max_grpc_timeout && !policy.grpc_timeout_header_max) return;
  const auto asked = grpc_timeout_in(head.fields);
  use(resilience::timeouts(rules_of(route), {.grpc_timeout = asked, .grpc = true}), options);
  options.max_stream_duration =
      resilience::stream_duration({.route = policy.max_stream_duration,
                                   .grpc_timeout_header_max = policy.grpc_timeout_header_max,
                                   .grpc_timeout_header_offset = policy.grpc_timeout_header_offset,
                                   .manager = chain.max_stream_duration},
                                  asked);
}

void use_request_fields(http::RequestHead& head, bool grpc, const route::Route& route,
                        const xds::FilterChain& chain, AskedRetries& asked,
                        RequestOptions& options) {
  http::Fields& fields = head.fields;
  resilience::TimeoutAsked times;
  times.request = milliseconds_in(fields, "x-envoy-upstream-rq-timeout-ms");
  times.per_try = milliseconds_in(fields, "x-envoy-upstream-rq-per-try-timeout-ms");
  if (chain.respect_expected_rq_timeout)
    times.expected = milliseconds_in(fields, "x-envoy-expected-rq-timeout-ms");
  times.grpc = grpc;
  if (grpc) times.grpc_timeout = grpc_timeout_in(fields);
  use(resilience::timeouts(rules_of(route), times), options);

  asked.header_names.clear();
  asked.policy = options.retry != nullptr ? *options.retry : resilience::RetryPolicy{};
  if (ask_retries(fields, asked)) options.retry = &asked.policy;
  if (const auto hedge = fields.get("x-envoy-hedge-on-per-try-timeout"))
    options.hedge = *hedge == "true";
  for (const std::string_view name : kConsumed) fields.remove(name);
}

bool has_any(const http::Fields& fields, const std::vector<std::string_view>& names) {
  return std::any_of(names.begin(), names.end(), [&](std::string_view name) {
    return std::any_of(fields.begin(), fields.end(),
                       [&](const http::Field& f) { return text::iequals(f.name, name); });
  });
}

}  // namespace mesh::forward
