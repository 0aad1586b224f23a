// dynamic_resources of a bootstrap, and other servers. Inside of lib/xds only.
#pragma once

#include <string_view>

#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "xds/dynamic_source.h"
#include "xds/values.h"

namespace mesh::xds {

// The server of an api_config_source.
Result<DynamicSource> decode_server(const envoy::config::core::v3::ApiConfigSource& api,
                                    std::string_view path);

// The cluster of a server is one that stands by itself in static_resources, and speaks HTTP/2:
// asking where it is would need itself (Envoy).
Result<void> check_server(const std::string& name, std::string_view path, const Config& config);

// `config` has the static clusters.
Result<DynamicSource> decode_dynamic(
    const envoy::config::bootstrap::v3::Bootstrap::DynamicResources& resources,
    std::string_view path, const Config& config);

}  // namespace mesh::xds
