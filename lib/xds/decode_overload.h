// The overload manager of a bootstrap. Inside of lib/xds only.
#pragma once

#include <string_view>

#include "base/result.h"
#include "envoy/config/overload/v3/overload.pb.h"
#include "resilience/overload.h"

namespace mesh::xds {

// A monitor for descriptors without a number of its own says UINT64_MAX: whoever
// watches puts the limit of the process in its place.
Result<resilience::OverloadPolicy> decode_overload(
    const envoy::config::overload::v3::OverloadManager& manager, std::string_view path);

}  // namespace mesh::xds
