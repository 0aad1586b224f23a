// What a connection manager believes of its peers, and its limits of time. Inside
// of lib/xds only.
#pragma once

#include <string_view>

#include "base/result.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "xds/values.h"

namespace mesh::xds {

// The edge's rules, and what the router at the end of its filters says of fields.
Result<void> decode_edge(
    const envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager&
        manager,
    std::string_view path, FilterChain& into);

Result<void> decode_times(
    const envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager&
        manager,
    std::string_view path, FilterChain& into);

}  // namespace mesh::xds
