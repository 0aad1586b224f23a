#include "xds/decode_filter.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "envoy/extensions/filters/http/grpc_stats/v3/grpc_stats.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "route/on_demand.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

using envoy::config::route::v3::FilterConfig;
using envoy::extensions::filters::http::router::v3::Router;
using GrpcStats = envoy::extensions::filters::http::grpc_stats::v3::FilterConfig;
using google::protobuf::Any;

constexpr int kHttpFiltersMax = 32;

struct Known {
  std::string_view type;  // of the typed_config
  Result<FilterConfigPtr> (*decode)(const Any& any, std::string_view path, FilterLevel level);
};

// One row a type; a filter whose routes have a type of their own has two.
constexpr std::array kKnown = std::to_array<Known>({
    {"envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency",
     decode_adaptive_concurrency},
    {"envoy.extensions.filters.http.cors.v3.Cors", decode_cors},
    {"envoy.extensions.filters.http.cors.v3.CorsPolicy", decode_cors},
    {"envoy.extensions.filters.http.ext_authz.v3.ExtAuthz", decode_ext_authz},
    {"envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute", decode_ext_authz},
    {"envoy.extensions.filters.http.fault.v3.HTTPFault", decode_fault},
    {"envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit", decode_local_ratelimit},
    {"envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication", decode_jwt_authn},
    {"envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig", decode_jwt_authn},
    {route::OnDemand::kType, decode_on_demand},
    {"envoy.extensions.filters.http.rbac.v3.RBAC", decode_rbac},
    {"envoy.extensions.filters.http.rbac.v3.RBACPerRoute", decode_rbac},
    {"mesh.xds.v1.CircuitBreaker", decode_circuit_breaker},
    {"envoy.extensions.filters.http.stateful_session.v3.StatefulSession", decode_stateful_session},
    {"envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute",
     decode_stateful_session},
});

std::string_view type_of(const Any& any) {
  const std::string_view url = any.type_url();
  return url.substr(url.rfind('/') + 1);
}

Result<FilterConfigPtr> decode(const Any& any, std::string_view path, FilterLevel level) {
  const std::string_view type = type_of(any);
  const auto known =
      std::find_if(kKnown.begin(), kKnown.end(), [&](const Known& k) { return k.type == type; });
  if (known == kKnown.end())
    return refuse(path, any.type_url().empty()
                            ? "is empty"
                            : text::quoted(type) + " is not supported as an HTTP filter");
  return known->decode(any, path, level);
}

Result<route::FilterOverride> decode_override(const std::string& name, const Any& any,
                                              const std::string& path) {
  route::FilterOverride result;
  result.name = name;
  if (!any.Is<FilterConfig>()) {
    MESH_TRY(result.config, decode(any, path, FilterLevel::Route));
    return result;
  }
  MESH_TRY(const auto wrapped, unpack<FilterConfig>(any, path));
  result.disabled = wrapped.disabled();
  if (wrapped.has_config()) {
    MESH_TRY(result.config, decode(wrapped.config(), path_of(path, "config"), FilterLevel::Route));
  } else if (!result.disabled) {
    return refuse(path, "expected config, or disabled");
  }
  return result;
}

}  // namespace

Result<std::vector<HttpFilter>> decode_http_filters(
    const envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager&
        manager,
    std::string_view path) {
  std::vector<HttpFilter> result;
  const int count = manager.http_filters_size();
  if (count > kHttpFiltersMax) return refuse(path_of(path, "http_filters"), "over 32 filters");
  for (int i = 0; i < count; ++i) {
    const auto& filter = manager.http_filters(i);
    const std::string at = path_of(path, "http_filters", i);
    const bool router = filter.typed_config().Is<Router>();
    if (router != (i + 1 == count)) return refuse(at, "the router is the last filter");
    if (router && filter.disabled()) return refuse(path_of(at, "disabled"), "not for the router");
    if (router) break;
    if (filter.typed_config().Is<GrpcStats>()) continue;  // see decode_grpc_stats()
    HttpFilter value{.name = filter.name(), .config = {}, .disabled = filter.disabled()};
    MESH_TRY(value.config,
             decode(filter.typed_config(), path_of(at, "typed_config"), FilterLevel::Chain));
    // Istio calls each of its RBAC filters by one name; what routes say of it is for all.
    const auto same = [&](const HttpFilter& other) {
      return other.name == value.name && other.config->type != value.config->type;
    };
    if (std::any_of(result.begin(), result.end(), same))
      return refuse(path_of(at, "name"), text::quoted(value.name) + " is there already");
    result.push_back(std::move(value));
  }
  if (count == 0) return refuse(path_of(path, "http_filters"), "the router is missing");
  return result;
}

Result<std::shared_ptr<const route::FilterOverrides>> decode_overrides(
    const PerFilterConfigs& configs, std::shared_ptr<const route::FilterOverrides> outer,
    std::string_view path) {
  if (configs.empty()) return outer;
  if (configs.size() > size_t(kHttpFiltersMax))
    return refuse(path_of(path, "typed_per_filter_config"), "over 32 filters");
  auto result = std::make_shared<route::FilterOverrides>();
  for (const auto& [name, any] : configs) {
    const std::string at = path_of(path, "typed_per_filter_config[" + name + "]");
    MESH_TRY(auto made, decode_override(name, any, at));
    if (outer != nullptr)
      for (const auto& other : *outer)
        if (other.name == name) made.config = inherit_cors(std::move(made.config), other.config);
    result->push_back(std::move(made));
  }
  if (outer != nullptr)
    for (const auto& other : *outer)
      if (!configs.contains(other.name)) result->push_back(other);
  // A map has no order; equal configurations are to give equal values.
  std::sort(result->begin(), result->end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return std::shared_ptr<const route::FilterOverrides>(std::move(result));
}

}  // namespace mesh::xds
