#include <algorithm>
#include <map>

#include "base/text.h"
#include "discovery/compile/build.h"
#include "discovery/compile/filters.h"
#include "envoy/extensions/filters/http/adaptive_concurrency/v3/adaptive_concurrency.pb.h"
#include "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.pb.h"
#include "mesh/xds/v1/peer_identity.pb.h"

namespace mesh::discovery {
namespace {

namespace route = envoy::config::route::v3;
using envoy::extensions::filters::http::adaptive_concurrency::v3::AdaptiveConcurrency;
using envoy::extensions::filters::http::local_ratelimit::v3::LocalRateLimit;
using Kind = Object<v1::RateLimit>;

constexpr uint32_t kBucketsMax = 10'000;
constexpr const char* kAdaptive = "envoy.filters.http.adaptive_concurrency";
constexpr uint32_t kNoLimit = 1'000'000'000;

// A path that ends there, or has a query behind it.
void set_exact_path(const std::string& path, route::HeaderMatcher& into) {
  std::string quoted = path;
  for (size_t at = 0; (at = quoted.find("\\E", at)) != std::string::npos; at += 7)
    quoted.replace(at, 2, "\\E\\\\E\\Q");
  into.mutable_string_match()->mutable_safe_regex()->set_regex("\\Q" + quoted + "\\E(\\?.*)?");
}

void set_match(const v1::RateLimit::Match& match, const std::string& name,
               route::RateLimit::Action& into) {
  auto& out = *into.mutable_header_value_match();
  out.set_descriptor_key("limit");
  out.set_descriptor_value(name);
  if (!match.method().empty()) {
    auto& header = *out.add_headers();
    header.set_name(":method");
    header.mutable_string_match()->set_exact(match.method());
  }
  if (match.has_uri()) {
    auto& header = *out.add_headers();
    header.set_name(":path");
    if (match.uri().has_exact())
      set_exact_path(match.uri().exact(), header);
    else
      header.mutable_string_match()->set_prefix(match.uri().prefix());
  }
  const std::map<std::string, istio::StringMatch> sorted(match.headers().begin(),
                                                         match.headers().end());
  for (const auto& [field, value] : sorted) {
    auto& header = *out.add_headers();
    header.set_name(text::to_lower(field));
    auto& text = *header.mutable_string_match();
    switch (value.match_type_case()) {
      case istio::StringMatch::kExact: text.set_exact(value.exact()); break;
      case istio::StringMatch::kPrefix: text.set_prefix(value.prefix()); break;
      case istio::StringMatch::kRegex: text.mutable_safe_regex()->set_regex(value.regex()); break;
      default: header.set_present_match(true);
    }
  }
}

// The entry of a bucket for each value; its key.
std::string set_each(const v1::RateLimit::Each& each, route::RateLimit::Action& into) {
  switch (each.value_case()) {
    case v1::RateLimit::Each::kHeader:
      into.mutable_request_headers()->set_header_name(text::to_lower(each.header()));
      into.mutable_request_headers()->set_descriptor_key("value");
      return "value";
    case v1::RateLimit::Each::kSourceAddress:
      into.mutable_remote_address();
      return "remote_address";
    default: {
      auto& extension = *into.mutable_extension();
      extension.set_name("mesh.rate_limit.peer_identity");
      pack(::mesh::xds::v1::PeerIdentity(), *extension.mutable_typed_config());
      return "peer_identity";
    }
  }
}

void add_limit(const v1::RateLimit::Limit& limit, LocalRateLimit& into) {
  auto& actions = *into.add_rate_limits();
  auto& descriptor = *into.add_descriptors();
  auto& entry = *descriptor.add_entries();
  entry.set_key("limit");
  entry.set_value(limit.name());
  const auto& match = limit.match();
  if (!match.method().empty() || match.has_uri() || !match.headers().empty()) {
    set_match(match, limit.name(), *actions.add_actions());
  } else {
    auto& key = *actions.add_actions()->mutable_generic_key();
    key.set_descriptor_key("limit");
    key.set_descriptor_value(limit.name());
  }
  if (limit.has_each()) {
    descriptor.add_entries()->set_key(set_each(limit.each(), *actions.add_actions()));
    const uint32_t most =
        limit.each().buckets_max() == 0 ? kBucketsMax : limit.each().buckets_max();
    auto& value = *into.mutable_max_dynamic_descriptors();
    value.set_value(std::max(value.value(), most));
  }
  auto& bucket = *descriptor.mutable_token_bucket();
  bucket.set_max_tokens(limit.burst() == 0 ? limit.requests() : limit.burst());
  bucket.mutable_tokens_per_fill()->set_value(limit.requests());
  if (limit.has_per())
    *bucket.mutable_fill_interval() = limit.per();
  else
    bucket.mutable_fill_interval()->set_seconds(1);
}

LocalRateLimit limit_of(const Kind& object) {
  LocalRateLimit limit;
  limit.set_stat_prefix(object.ns + "/" + object.name);
  for (const auto& each : object.spec.limits()) add_limit(each, limit);
  // Envoy wants one; what no limit matches is not limited.
  auto& rest = *limit.mutable_token_bucket();
  rest.set_max_tokens(kNoLimit);
  rest.mutable_tokens_per_fill()->set_value(kNoLimit);
  rest.mutable_fill_interval()->set_seconds(1);
  limit.mutable_always_consume_default_token_bucket()->set_value(false);
  for (auto* share : {limit.mutable_filter_enabled(), limit.mutable_filter_enforced()})
    share->mutable_default_value()->set_numerator(100);
  if (object.spec.response_headers())
    limit.set_enable_x_ratelimit_headers(
        envoy::extensions::common::ratelimit::v3::DRAFT_VERSION_03);
  if (object.spec.status() != 0)
    limit.mutable_status()->set_code(envoy::type::v3::StatusCode(object.spec.status()));
  return limit;
}

AdaptiveConcurrency adaptive_of(const v1::AdaptiveConcurrency& spec) {
  AdaptiveConcurrency filter;
  auto& controller = *filter.mutable_gradient_controller_config();
  auto& limit = *controller.mutable_concurrency_limit_params();
  auto& rtt = *controller.mutable_min_rtt_calc_params();
  if (spec.sample_percentile() > 0)
    controller.mutable_sample_aggregate_percentile()->set_value(spec.sample_percentile());
  if (spec.max_concurrency() > 0)
    limit.mutable_max_concurrency_limit()->set_value(spec.max_concurrency());
  set(std::chrono::milliseconds(100), *limit.mutable_concurrency_update_interval());
  if (spec.has_update_interval())
    *limit.mutable_concurrency_update_interval() = spec.update_interval();
  set(std::chrono::seconds(60), *rtt.mutable_interval());
  if (spec.has_min_rtt_interval()) *rtt.mutable_interval() = spec.min_rtt_interval();
  if (spec.has_fixed_min_rtt()) *rtt.mutable_fixed_value() = spec.fixed_min_rtt();
  if (spec.min_rtt_requests() > 0) rtt.mutable_request_count()->set_value(spec.min_rtt_requests());
  uint32_t least = spec.min_concurrency();
  // The default of 3 gives way to what is allowed at most.
  if (least == 0 && spec.max_concurrency() > 0) least = std::min(3U, spec.max_concurrency());
  if (least > 0) rtt.mutable_min_concurrency()->set_value(least);
  if (spec.buffer_percent() > 0) rtt.mutable_buffer()->set_value(spec.buffer_percent());
  return filter;
}

// Once, also where several services of the workload ask for it.
void add(const std::string& name, const google::protobuf::Message& config, HttpManager& manager) {
  const auto same = [&](const auto& f) { return f.name() == name; };
  const auto& there = manager.http_filters();
  if (std::any_of(there.begin(), there.end(), same)) return;
  auto& filter = *manager.add_http_filters();
  filter.set_name(name);
  pack(config, *filter.mutable_typed_config());
}

}  // namespace

void add_inbound_filters(const Model& model, const Node& node, HttpManager& manager) {
  if (model.objects().rate_limits.empty() && model.objects().service_policies.empty()) return;
  const Workload* const workload = model.workload_of(node);
  if (workload == nullptr) return;
  for (const Service* service : model.services_of(*workload)) {
    for (const Kind* object : model.rate_limits(*service))
      add("mesh.filters.http.rate_limit/" + object->ns + "/" + object->name, limit_of(*object),
          manager);
    const auto* const policy = model.service_policy(*service, "", service->ns);
    if (policy != nullptr && policy->spec.has_adaptive_concurrency())
      add(kAdaptive, adaptive_of(policy->spec.adaptive_concurrency()), manager);
  }
}

}  // namespace mesh::discovery
