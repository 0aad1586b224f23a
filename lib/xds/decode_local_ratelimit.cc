#include "base/text.h"
#include "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.pb.h"
#include "mesh/xds/v1/peer_identity.pb.h"
#include "resilience/bucket_table.h"
#include "route/match.h"
#include "route/rate_limit.h"
#include "xds/decode_common.h"
#include "xds/decode_filter.h"
#include "xds/decode_route.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace pb = envoy::config::route::v3;
using envoy::extensions::filters::http::local_ratelimit::v3::LocalRateLimit;
using Kind = route::RateLimitAction::Kind;

constexpr std::string_view kType =
    "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit";
constexpr int kDescriptorsMax = 1000;
constexpr int kActionsMax = 16;
constexpr Duration kFillMin = std::chrono::milliseconds(50);  // as Envoy

Result<resilience::TokenRate> decode_bucket(const envoy::type::v3::TokenBucket& from,
                                            std::string_view path) {
  resilience::TokenRate rate;
  rate.burst = from.max_tokens();
  if (rate.burst == 0) return refuse(path_of(path, "max_tokens"), "is at least 1");
  if (from.has_tokens_per_fill()) rate.tokens = from.tokens_per_fill().value();
  if (rate.tokens == 0) return refuse(path_of(path, "tokens_per_fill"), "is at least 1");
  MESH_TRY(rate.per, decode_duration(from.fill_interval(), path_of(path, "fill_interval")));
  if (rate.per < kFillMin) return refuse(path_of(path, "fill_interval"), "is at least 50ms");
  return rate;
}

Result<route::RateLimitAction> decode_match_action(
    const pb::RateLimit::Action::HeaderValueMatch& from, const std::string& path) {
  route::RateLimitAction action{.kind = Kind::FieldsMatch};
  action.key = from.descriptor_key().empty() ? "header_match" : from.descriptor_key();
  action.value = from.descriptor_value();
  if (from.has_expect_match()) action.expect = from.expect_match().value();
  pb::RouteMatch match;
  match.set_prefix("/");
  *match.mutable_headers() = from.headers();
  if (from.headers().empty()) return refuse(path_of(path, "headers"), "is empty");
  MESH_TRY(action.match, decode_match(match, path));
  if (auto compiled = route::compile(action.match); !compiled)
    return refuse(path_of(path, "headers"), compiled.error().text);
  return action;
}

Result<route::RateLimitAction> decode_action(const pb::RateLimit::Action& from,
                                             const std::string& path) {
  using Action = pb::RateLimit::Action;
  route::RateLimitAction action;
  switch (from.action_specifier_case()) {
    case Action::kRequestHeaders: {
      const auto& header = from.request_headers();
      action.kind = Kind::RequestHeader;
      action.header = text::to_lower(header.header_name());
      action.key = header.descriptor_key();
      action.skip_if_absent = header.skip_if_absent();
      if (action.header.empty())
        return refuse(path_of(path, "request_headers.header_name"), "is empty");
      break;
    }
    case Action::kRemoteAddress:
      action.kind = Kind::RemoteAddress;
      action.key = "remote_address";
      break;
    case Action::kGenericKey:
      action.value = from.generic_key().descriptor_value();
      action.key = from.generic_key().descriptor_key().empty()
                       ? "generic_key"
                       : from.generic_key().descriptor_key();
      break;
    case Action::kHeaderValueMatch:
      return decode_match_action(from.header_value_match(), path_of(path, "header_value_match"));
    case Action::kExtension: {
      const std::string at = path_of(path, "extension.typed_config");
      MESH_TRY(const auto peer, unpack<v1::PeerIdentity>(from.extension().typed_config(), at));
      action.kind = Kind::PeerIdentity;
      action.key = peer.descriptor_key().empty() ? "peer_identity" : peer.descriptor_key();
      break;
    }
    default: return refuse(path, "expected an action");
  }
  if (action.key.empty()) return refuse(path, "the descriptor_key is empty");
  const bool fixed = action.kind == Kind::GenericKey || action.kind == Kind::FieldsMatch;
  if (fixed && action.value.empty()) return refuse(path, "the descriptor_value is empty");
  return action;
}

Result<void> decode_actions(const LocalRateLimit& from, std::string_view path,
                            route::LocalRateLimit& into) {
  if (from.rate_limits_size() > kDescriptorsMax)
    return refuse(path_of(path, "rate_limits"), "over 1000");
  for (int i = 0; i < from.rate_limits_size(); ++i) {
    const auto& limit = from.rate_limits(i);
    const std::string at = path_of(path, "rate_limits", i);
    route::RateLimitActions actions;
    actions.stage = limit.stage().value();
    if (limit.actions().empty() || limit.actions_size() > kActionsMax)
      return refuse(path_of(at, "actions"), "expected 1 to 16");
    for (int j = 0; j < limit.actions_size(); ++j) {
      MESH_TRY(auto action, decode_action(limit.actions(j), path_of(at, "actions", j)));
      actions.actions.push_back(std::move(action));
    }
    if (actions.stage == from.stage()) into.actions.push_back(std::move(actions));
  }
  return {};
}

Result<void> decode_descriptors(const LocalRateLimit& from, std::string_view path,
                                route::LocalRateLimit& into) {
  if (from.descriptors_size() > kDescriptorsMax)
    return refuse(path_of(path, "descriptors"), "over 1000");
  for (int i = 0; i < from.descriptors_size(); ++i) {
    const auto& descriptor = from.descriptors(i);
    const std::string at = path_of(path, "descriptors", i);
    route::RateLimitDescriptor value;
    if (descriptor.entries().empty() || descriptor.entries_size() > kActionsMax)
      return refuse(path_of(at, "entries"), "expected 1 to 16");
    for (const auto& entry : descriptor.entries()) {
      if (entry.key().empty()) return refuse(path_of(at, "entries"), "a key is empty");
      value.entries.push_back({entry.key(), entry.value()});
    }
    MESH_TRY(value.rate, decode_bucket(descriptor.token_bucket(), path_of(at, "token_bucket")));
    into.descriptors.push_back(std::move(value));
  }
  return {};
}

}  // namespace

Result<FilterConfigPtr> decode_local_ratelimit(const google::protobuf::Any& any,
                                               std::string_view path, FilterLevel level) {
  MESH_TRY(const auto from, unpack<LocalRateLimit>(any, path));
  route::LocalRateLimit result;
  result.stat_prefix = from.stat_prefix();
  if (result.stat_prefix.empty()) return refuse(path_of(path, "stat_prefix"), "is empty");
  // Below 400 it would not be an error: 429 then, as Envoy.
  if (from.status().code() >= 400) result.status = uint16_t(from.status().code());
  result.resource_exhausted = from.rate_limited_as_resource_exhausted();
  result.has_bucket = from.has_token_bucket();
  if (result.has_bucket) {
    MESH_TRY(result.bucket, decode_bucket(from.token_bucket(), path_of(path, "token_bucket")));
  } else if (level == FilterLevel::Route) {
    return refuse(path_of(path, "token_bucket"), "is missing");
  }
  result.enabled = decode_fraction(from.filter_enabled().default_value());
  result.enforced = decode_fraction(from.filter_enforced().default_value());
  for (int i = 0; i < from.response_headers_to_add_size(); ++i) {
    const auto& header = from.response_headers_to_add(i).header();
    MESH_TRY_VOID(
        check_field(header.key(), header.value(), path_of(path, "response_headers_to_add", i)));
    result.response_headers.emplace_back(text::to_lower(header.key()), header.value());
  }
  MESH_TRY_VOID(decode_descriptors(from, path, result));
  MESH_TRY_VOID(decode_actions(from, path, result));
  if (from.has_always_consume_default_token_bucket())
    result.always_take_default = from.always_consume_default_token_bucket().value();
  result.rate_headers = from.enable_x_ratelimit_headers() ==
                        envoy::extensions::common::ratelimit::v3::DRAFT_VERSION_03;
  if (from.has_max_dynamic_descriptors())
    result.buckets_max = from.max_dynamic_descriptors().value();
  if (result.buckets_max == 0 || result.buckets_max > resilience::BucketTable::kBucketsMax)
    return refuse(path_of(path, "max_dynamic_descriptors"), "is 1 to 1048576");
  result.fingerprint = any.value();
  return route::make_filter_config(kType, std::move(result));
}

}  // namespace mesh::xds
