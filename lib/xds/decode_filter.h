// HTTP filters of chains, and what routes say otherwise. Inside of lib/xds only.
//
// A filter is known by the type of its typed_config (Envoy); its name is what
// typed_per_filter_config refers to. To add one: a decoder in a file of its own,
// a row in decode_filter.cc, its types in extensions.cc, and a row in
// forward/filter/build.cc.
#pragma once

#include <google/protobuf/any.pb.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "resilience/policy.h"
#include "route/filter_config.h"
#include "xds/values.h"

namespace mesh::xds {

using FilterConfigPtr = std::shared_ptr<const route::FilterConfig>;

// Whose typed_config it is.
enum class FilterLevel : uint8_t { Chain, Route };

using PerFilterConfigs = google::protobuf::Map<std::string, google::protobuf::Any>;

// All but the router, which must be there and last. At most 32.
Result<std::vector<HttpFilter>> decode_http_filters(
    const envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager&
        manager,
    std::string_view path);

// The entries of `configs`, and those of `outer` whose names it has not; `outer`
// itself where there are none. Null where there is nothing. Call it from the
// outside in: configuration, virtual host, route (the most specific rules).
Result<std::shared_ptr<const route::FilterOverrides>> decode_overrides(
    const PerFilterConfigs& configs, std::shared_ptr<const route::FilterOverrides> outer,
    std::string_view path);

// A CORS policy with what it leaves empty from `outer`, the one around it (Envoy's CORS
// filter asks the route's first, and for each thing apart); `inner` where either is
// another filter's.
FilterConfigPtr inherit_cors(FilterConfigPtr inner, const FilterConfigPtr& outer);

// The decoders. `any` is of the type of their row and was checked.
Result<FilterConfigPtr> decode_cors(const google::protobuf::Any& any, std::string_view path,
                                    FilterLevel level);
Result<FilterConfigPtr> decode_adaptive_concurrency(const google::protobuf::Any& any,
                                                    std::string_view path, FilterLevel level);
Result<FilterConfigPtr> decode_circuit_breaker(const google::protobuf::Any& any,
                                               std::string_view path, FilterLevel level);
Result<FilterConfigPtr> decode_ext_authz(const google::protobuf::Any& any, std::string_view path,
                                         FilterLevel level);
Result<FilterConfigPtr> decode_fault(const google::protobuf::Any& any, std::string_view path,
                                     FilterLevel level);
Result<FilterConfigPtr> decode_local_ratelimit(const google::protobuf::Any& any,
                                               std::string_view path, FilterLevel level);
Result<FilterConfigPtr> decode_jwt_authn(const google::protobuf::Any& any, std::string_view path,
                                         FilterLevel level);
Result<FilterConfigPtr> decode_on_demand(const google::protobuf::Any& any, std::string_view path,
                                         FilterLevel level);
Result<FilterConfigPtr> decode_rbac(const google::protobuf::Any& any, std::string_view path,
                                    FilterLevel level);
Result<FilterConfigPtr> decode_stateful_session(const google::protobuf::Any& any,
                                                std::string_view path, FilterLevel level);

}  // namespace mesh::xds
