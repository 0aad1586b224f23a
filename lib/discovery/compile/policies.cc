#include <algorithm>
#include <map>

#include "base/text.h"
#include "config/grpc_status.h"
#include "discovery/compile/build.h"
#include "discovery/compile/match.h"
#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"
#include "envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.pb.h"

namespace mesh::discovery {
namespace {

namespace pb = envoy::config::route::v3;
namespace core = envoy::config::core::v3;
using envoy::extensions::filters::http::fault::v3::HTTPFault;
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

// Names of conditions stay, numbers are status codes (Istio's HTTPRetry).
void set_conditions(std::string_view list, pb::RetryPolicy& policy) {
  std::vector<std::string> names;
  for (const auto piece : text::split(list, ',')) {
    const auto name = text::trim(piece);
    if (name.empty()) continue;
    if (const auto status = text::parse_uint(name, 599))
      policy.add_retriable_status_codes(uint32_t(*status));
    else
      names.emplace_back(name);
  }
  const std::string codes = "retriable-status-codes";
  if (policy.retriable_status_codes_size() > 0 &&
      std::find(names.begin(), names.end(), codes) == names.end())
    names.push_back(codes);
  policy.set_retry_on(text::join(names, ","));
}

void set_share(bool has, double percent, FractionalPercent& into) {
  if (!has) percent = 100;  // Istio: a fault without a percentage meets every request
  into.set_numerator(uint32_t(std::clamp(percent, 0.0, 100.0) * 10'000 + 0.5));
  into.set_denominator(FractionalPercent::MILLION);
}

// Envoy evaluates %OPERATORS% in values; a VirtualService's are meant as they stand.
std::string literal(const std::string& value) {
  std::string result;
  for (const char c : value) {
    result += c;
    if (c == '%') result += c;
  }
  return result;
}

template <class Map, class Options>
void add_headers(const Map& headers, core::HeaderValueOption::HeaderAppendAction action,
                 Options& into) {
  for (const auto& [name, value] :
       std::map<std::string, std::string>(headers.begin(), headers.end())) {
    auto& option = *into.Add();
    option.mutable_header()->set_key(name);
    option.mutable_header()->set_value(literal(value));
    option.set_append_action(action);
  }
}

}  // namespace

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
}

void set_fault(const istio::HTTPFaultInjection& fault, pb::Route& route) {
  HTTPFault filter;
  if (fault.has_delay()) {
    const auto& delay = fault.delay();
    *filter.mutable_delay()->mutable_fixed_delay() = delay.fixed_delay();
    set_share(delay.has_percentage(), delay.percentage().value(),
              *filter.mutable_delay()->mutable_percentage());
  }
  if (fault.has_abort()) {
    const auto& abort = fault.abort();
    if (abort.error_type_case() == istio::HTTPFaultInjection::Abort::kGrpcStatus)
      filter.mutable_abort()->set_grpc_status(config::grpc_status(abort.grpc_status()).value_or(2));
    else
      filter.mutable_abort()->set_http_status(uint32_t(abort.http_status()));
    set_share(abort.has_percentage(), abort.percentage().value(),
              *filter.mutable_abort()->mutable_percentage());
  }
  pack(filter, (*route.mutable_typed_per_filter_config())["envoy.filters.http.fault"]);
}

void set_headers(const istio::Headers& headers, pb::Route& route) {
  auto set = headers.request().set();
  for (const char* name : {"host", "Host", ":authority"}) {
    const auto found = set.find(name);
    if (found == set.end()) continue;
    if (route.has_route()) route.mutable_route()->set_host_rewrite_literal(found->second);
    set.erase(found);
  }
  using Option = core::HeaderValueOption;
  add_headers(set, Option::OVERWRITE_IF_EXISTS_OR_ADD, *route.mutable_request_headers_to_add());
  add_headers(headers.request().add(), Option::APPEND_IF_EXISTS_OR_ADD,
              *route.mutable_request_headers_to_add());
  *route.mutable_request_headers_to_remove() = headers.request().remove();
  add_headers(headers.response().set(), Option::OVERWRITE_IF_EXISTS_OR_ADD,
              *route.mutable_response_headers_to_add());
  add_headers(headers.response().add(), Option::APPEND_IF_EXISTS_OR_ADD,
              *route.mutable_response_headers_to_add());
  *route.mutable_response_headers_to_remove() = headers.response().remove();
}

}  // namespace mesh::discovery
