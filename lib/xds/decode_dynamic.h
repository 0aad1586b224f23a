// dynamic_resources of a bootstrap. Inside of lib/xds only.
#pragma once

#include <string_view>

#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "xds/dynamic_source.h"
#include "xds/values.h"

namespace mesh::xds {

// `config` has the static clusters. The node is left to the caller.
Result<DynamicSource> decode_dynamic(
    const envoy::config::bootstrap::v3::Bootstrap::DynamicResources& resources,
    std::string_view path, const Config& config);

}  // namespace mesh::xds
