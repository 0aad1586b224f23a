// Tracing of a connection manager. Inside of lib/xds only.
#pragma once

#include <string>

#include "base/result.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "xds/values.h"

namespace mesh::xds {

// Fills trace_context, trace_sampling and spans of `into`. A custom tag of the environment
// has the value that this process has now.
Result<void> decode_tracing(
    const envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager&
        manager,
    std::string_view path, FilterChain& into);

}  // namespace mesh::xds
