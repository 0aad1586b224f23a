// Http2ProtocolOptions, of a connection manager or of a cluster.
#pragma once

#include <string_view>

#include "base/result.h"
#include "envoy/config/core/v3/core.pb.h"
#include "http/limits.h"

namespace mesh::xds {

// Errors name the field below `path`. Ranges are Envoy's; windows end at 2^31-1.
Result<http::Http2Options> decode_http2(
    const envoy::config::core::v3::Http2ProtocolOptions& options, std::string_view path);

}  // namespace mesh::xds
