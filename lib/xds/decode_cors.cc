#include "envoy/extensions/filters/http/cors/v3/cors.pb.h"
#include "xds/decode_common.h"
#include "xds/decode_filter.h"
#include "xds/decode_route.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

using envoy::extensions::filters::http::cors::v3::CorsPolicy;

constexpr std::string_view kType = "envoy.extensions.filters.http.cors.v3.Cors";

// What goes into an answer's head.
Result<std::string> decode_line(const std::string& text, const std::string& path) {
  for (const char c : text)
    if (uint8_t(c) < 0x20 || c == 0x7f) return refuse(path, "control characters are not for it");
  return text;
}

Result<route::CorsPolicy> decode_policy(const CorsPolicy& policy, std::string_view path) {
  route::CorsPolicy result;
  for (int i = 0; i < policy.allow_origin_string_match_size(); ++i) {
    const std::string at = path_of(path, "allow_origin_string_match", i);
    MESH_TRY(auto origin, decode_text(policy.allow_origin_string_match(i), at));
    if (auto compiled = route::compile(origin); !compiled)
      return std::move(compiled).error().during(at);
    result.allow_origins.push_back(std::move(origin));
  }
  MESH_TRY(result.allow_methods,
           decode_line(policy.allow_methods(), path_of(path, "allow_methods")));
  MESH_TRY(result.allow_headers,
           decode_line(policy.allow_headers(), path_of(path, "allow_headers")));
  MESH_TRY(result.expose_headers,
           decode_line(policy.expose_headers(), path_of(path, "expose_headers")));
  MESH_TRY(result.max_age, decode_line(policy.max_age(), path_of(path, "max_age")));
  if (policy.has_allow_credentials()) result.allow_credentials = policy.allow_credentials().value();
  if (policy.has_allow_private_network_access())
    result.allow_private_network_access = policy.allow_private_network_access().value();
  if (policy.has_forward_not_matching_preflights())
    result.forward_not_matching_preflights = policy.forward_not_matching_preflights().value();
  if (policy.has_filter_enabled())
    result.enabled = decode_fraction(policy.filter_enabled().default_value());
  if (policy.has_shadow_enabled())
    result.shadow = decode_fraction(policy.shadow_enabled().default_value());
  return result;
}

}  // namespace

Result<FilterConfigPtr> decode_cors(const google::protobuf::Any& any, std::string_view path,
                                    FilterLevel level) {
  route::CorsPolicy policy;
  if (level == FilterLevel::Chain) {
    policy.enabled = resilience::Fraction{0};  // routes say what is allowed
  } else {
    MESH_TRY(const auto message, unpack<CorsPolicy>(any, path));
    MESH_TRY(policy, decode_policy(message, path));
  }
  return route::make_filter_config(kType, std::move(policy));
}

FilterConfigPtr inherit_cors(FilterConfigPtr inner, const FilterConfigPtr& outer) {
  const auto* const own = route::value_of<route::CorsPolicy>(inner.get());
  const auto* const other = route::value_of<route::CorsPolicy>(outer.get());
  if (own == nullptr || other == nullptr) return inner;
  route::CorsPolicy policy = *own;
  const auto take = [](auto& to, const auto& from) {
    if (to.empty()) to = from;
  };
  take(policy.allow_origins, other->allow_origins);
  take(policy.allow_methods, other->allow_methods);
  take(policy.allow_headers, other->allow_headers);
  take(policy.expose_headers, other->expose_headers);
  take(policy.max_age, other->max_age);
  const auto take_flag = [](std::optional<bool>& to, std::optional<bool> from) {
    if (!to) to = from;
  };
  take_flag(policy.allow_credentials, other->allow_credentials);
  take_flag(policy.allow_private_network_access, other->allow_private_network_access);
  take_flag(policy.forward_not_matching_preflights, other->forward_not_matching_preflights);
  return route::make_filter_config(kType, std::move(policy));
}

}  // namespace mesh::xds
