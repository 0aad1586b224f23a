// What routes say of time and tries. Inside of lib/xds only.
#pragma once

#include <string_view>

#include "base/result.h"
#include "envoy/config/route/v3/route.pb.h"
#include "route/table.h"

namespace mesh::xds {

// Sets `into.policy`, where anything is said, and `into.retry` where the virtual
// host has a retry policy and the route has none.
Result<void> decode_request_policy(const envoy::config::route::v3::VirtualHost& host,
                                   std::string_view host_path,
                                   const envoy::config::route::v3::Route& route,
                                   std::string_view path, route::Route& into);

}  // namespace mesh::xds
