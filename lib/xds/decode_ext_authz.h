// External authorization of connections. Inside of lib/xds only; of requests: decode_filter.h.
#pragma once

#include <memory>
#include <string_view>

#include "authz/ext_authz.h"
#include "base/result.h"
#include "envoy/extensions/filters/network/ext_authz/v3/ext_authz.pb.h"

namespace mesh::xds {

Result<std::shared_ptr<const authz::ExtAuthz>> decode_network_ext_authz(
    const envoy::extensions::filters::network::ext_authz::v3::ExtAuthz& from,
    std::string_view path);

}  // namespace mesh::xds
