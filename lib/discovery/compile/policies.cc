#include <algorithm>
#include <map>

#include "base/text.h"
#include "config/authority.h"
#include "config/grpc_status.h"
#include "discovery/compile/build.h"
#include "discovery/compile/match.h"
#include "envoy/extensions/filters/http/cors/v3/cors.pb.h"
#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"
#include "envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.pb.h"
#include "envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities.pb.h"

namespace mesh::discovery {
namespace {

namespace pb = envoy::config::route::v3;
namespace core = envoy::config::core::v3;
using envoy::extensions::filters::http::fault::v3::HTTPFault;
using FilterCors = envoy::extensions::filters::http::cors::v3::CorsPolicy;
using envoy::type::v3::FractionalPercent;

constexpr std::string_view kDefaultRetryOn = "connect-failure,refused-stream,unavailable,cancelled";
constexpr uint32_t kDefaultRetries = 2;
constexpr int64_t kHostAttempts = 5;

void avoid_tried_hosts(pb::RetryPolicy& policy) {
  auto& predicate = *policy.add_retry_host_predicate();
  predicate.set_name("envoy.retry_host_predicates.previous_hosts");
  pack(envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate(),
       *predicate.mutable_typed_config());
  policy.set_host_selection_retry_max_attempts(kHostAttempts);
}

// Istio: localities are priorities when failover is on; after two tries in one the next
// is tried.
void leave_tried_priorities(pb::RetryPolicy& policy) {
  envoy::extensions::retry::priority::previous_priorities::v3::PreviousPrioritiesConfig config;
  config.set_update_frequency(2);
  policy.mutable_retry_priority()->set_name("envoy.retry_priorities.previous_priorities");
  pack(config, *policy.mutable_retry_priority()->mutable_typed_config());
}

// Names of conditions stay, numbers are status codes (Istio's HTTPRetry).
void set_conditions(std::string_view list, pb::RetryPolicy& policy) {
  std::vector<std::string> names;
  for (const auto piece : text::split(list, ',')) {
    const auto name = text::trim(piece);
    if (name.empty()) continue;
    if (const auto status = text::parse_uint(name, 599))
      policy.add_retriable_status_codes(uint32_t(*status));
    else if (std::find(names.begin(), names.end(), name) == names.end())
      names.emplace_back(name);
  }
  const std::string codes = "retriable-status-codes";
  if (policy.retriable_status_codes_size() > 0 &&
      std::find(names.begin(), names.end(), codes) == names.end())
    names.push_back(codes);
  policy.set_retry_on(text::join(names, ","));
}

template <class Map, class Options>
void add_headers(const Map& headers, core::HeaderValueOption::HeaderAppendAction action,
                 Options& into) {
  for (const auto& [name, value] :
       std::map<std::string, std::string>(headers.begin(), headers.end())) {
    auto& option = *into.Add();
    option.mutable_header()->set_key(name);
    option.mutable_header()->set_value(value);
    option.set_append_action(action);
  }
}

// Takes what the authority is given out of the edits.
template <class Map>
std::string take_authority(Map& edits) {
  std::string authority;
  for (auto it = edits.begin(); it != edits.end();) {
    if (!config::is_authority(it->first)) {
      ++it;
      continue;
    }
    authority = it->second;
    it = edits.erase(it);
  }
  return authority;
}

// Adds to the edits that are there; returns what the authority is set to.
template <class Message>
std::string set_edits(const istio::Headers& headers, Message& into) {
  auto set = headers.request().set();
  auto add = headers.request().add();
  // Of both, that of "set" (Istio).
  std::string host = take_authority(add);
  if (std::string of_set = take_authority(set); !of_set.empty()) host = std::move(of_set);
  using Option = core::HeaderValueOption;
  add_headers(set, Option::OVERWRITE_IF_EXISTS_OR_ADD, *into.mutable_request_headers_to_add());
  add_headers(add, Option::APPEND_IF_EXISTS_OR_ADD, *into.mutable_request_headers_to_add());
  into.mutable_request_headers_to_remove()->MergeFrom(headers.request().remove());
  add_headers(headers.response().set(), Option::OVERWRITE_IF_EXISTS_OR_ADD,
              *into.mutable_response_headers_to_add());
  add_headers(headers.response().add(), Option::APPEND_IF_EXISTS_OR_ADD,
              *into.mutable_response_headers_to_add());
  into.mutable_response_headers_to_remove()->MergeFrom(headers.response().remove());
  return host;
}

}  // namespace

void set_share(double percent, FractionalPercent& into) {
  into.set_numerator(uint32_t(std::clamp(percent, 0.0, 100.0) * 10'000 + 0.5));
  into.set_denominator(FractionalPercent::MILLION);
}

void set_default_retries(pb::RouteAction& action) {
  auto& policy = *action.mutable_retry_policy();
  policy.set_retry_on(std::string(kDefaultRetryOn));
  policy.mutable_num_retries()->set_value(kDefaultRetries);
  avoid_tried_hosts(policy);
}

void set_retries(const istio::HTTPRetry& retries, pb::RouteAction& action) {
  if (retries.attempts() <= 0) return;  // none
  auto& policy = *action.mutable_retry_policy();
  policy.mutable_num_retries()->set_value(uint32_t(retries.attempts()));
  set_conditions(retries.retry_on().empty() ? kDefaultRetryOn : retries.retry_on(), policy);
  if (retries.has_per_try_timeout()) *policy.mutable_per_try_timeout() = retries.per_try_timeout();
  if (retries.has_backoff())
    *policy.mutable_retry_back_off()->mutable_base_interval() = retries.backoff();
  if (!retries.has_retry_ignore_previous_hosts() || retries.retry_ignore_previous_hosts().value())
    avoid_tried_hosts(policy);
  if (retries.retry_remote_localities().value()) leave_tried_priorities(policy);
}

void set_fault(const istio::HTTPFaultInjection& fault, pb::Route& route) {
  HTTPFault filter;
  if (fault.has_delay()) {
    const auto& delay = fault.delay();
    *filter.mutable_delay()->mutable_fixed_delay() = delay.fixed_delay();
    set_share(delay.has_percentage() ? delay.percentage().value() : delay.percent(),
              *filter.mutable_delay()->mutable_percentage());
  }
  if (fault.has_abort()) {
    const auto& abort = fault.abort();
    if (abort.error_type_case() == istio::HTTPFaultInjection::Abort::kGrpcStatus)
      filter.mutable_abort()->set_grpc_status(config::grpc_status(abort.grpc_status()).value_or(2));
    else
      filter.mutable_abort()->set_http_status(uint32_t(abort.http_status()));
    set_share(abort.percentage().value(), *filter.mutable_abort()->mutable_percentage());
  }
  pack(filter, (*route.mutable_typed_per_filter_config())["envoy.filters.http.fault"]);
}

void set_headers(const istio::Headers& headers, pb::Route& route) {
  const std::string host = set_edits(headers, route);
  if (!host.empty() && route.has_route() && route.route().host_rewrite_literal().empty())
    route.mutable_route()->set_host_rewrite_literal(host);
}

void set_headers(const istio::Headers& headers, pb::WeightedCluster::ClusterWeight& cluster) {
  const std::string host = set_edits(headers, cluster);
  if (!host.empty()) cluster.set_host_rewrite_literal(host);
}

void set_redirect(const istio::HTTPRedirect& redirect, uint32_t port, bool tls,
                  pb::RedirectAction& into) {
  into.set_host_redirect(redirect.authority());
  if (!redirect.uri().empty()) into.set_path_redirect(redirect.uri());
  if (!redirect.prefix_rewrite().empty()) into.set_prefix_rewrite(redirect.prefix_rewrite());
  if (!redirect.scheme().empty()) into.set_scheme_redirect(redirect.scheme());
  uint32_t to = redirect.port();
  if (redirect.derive_port() == istio::HTTPRedirect::FROM_REQUEST_PORT) to = port;
  // A scheme's own port is not written (Istio); without one it is the listener's.
  const bool https = redirect.scheme().empty() ? tls : redirect.scheme() == "https";
  if (to != (https ? 443U : 80U)) into.set_port_redirect(to);
  switch (redirect.redirect_code()) {
    case 302: into.set_response_code(pb::RedirectAction::FOUND); break;
    case 303: into.set_response_code(pb::RedirectAction::SEE_OTHER); break;
    case 307: into.set_response_code(pb::RedirectAction::TEMPORARY_REDIRECT); break;
    case 308: into.set_response_code(pb::RedirectAction::PERMANENT_REDIRECT); break;
    default: into.set_response_code(pb::RedirectAction::MOVED_PERMANENTLY); break;
  }
}

void set_cors(const istio::CorsPolicy& policy, pb::Route& route) {
  FilterCors cors;
  for (const auto& origin : policy.allow_origin())
    cors.add_allow_origin_string_match()->set_exact(origin);
  for (const auto& origin : policy.allow_origins())
    set_text(origin, *cors.add_allow_origin_string_match());
  const auto joined = [](const auto& list) {
    return text::join(std::vector<std::string>(list.begin(), list.end()), ",");
  };
  cors.set_allow_methods(joined(policy.allow_methods()));
  cors.set_allow_headers(joined(policy.allow_headers()));
  cors.set_expose_headers(joined(policy.expose_headers()));
  if (policy.has_max_age()) cors.set_max_age(std::to_string(policy.max_age().seconds()));
  if (policy.has_allow_credentials())
    cors.mutable_allow_credentials()->set_value(policy.allow_credentials().value());
  if (policy.unmatched_preflights() != istio::CorsPolicy::UNSPECIFIED)
    cors.mutable_forward_not_matching_preflights()->set_value(policy.unmatched_preflights() ==
                                                              istio::CorsPolicy::FORWARD);
  set_share(100, *cors.mutable_filter_enabled()->mutable_default_value());
  pack(cors, (*route.mutable_typed_per_filter_config())["envoy.filters.http.cors"]);
}

}  // namespace mesh::discovery
