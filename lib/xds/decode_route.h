// Route configurations. Inside of lib/xds only.
#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"
#include "envoy/config/route/v3/route.pb.h"
#include "route/table.h"

namespace mesh::xds {

Result<std::shared_ptr<const route::Table>> decode_routes(
    const envoy::config::route::v3::RouteConfiguration& configuration, std::string_view path);

Result<resilience::RetryPolicy> decode_retry(const envoy::config::route::v3::RetryPolicy& policy,
                                             std::string_view path);

Result<route::Match> decode_match(const envoy::config::route::v3::RouteMatch& match,
                                  std::string_view path);

}  // namespace mesh::xds
