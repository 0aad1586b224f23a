// Role-based access control, of requests and of connections. Inside of lib/xds only.
#pragma once

#include <memory>
#include <string_view>

#include "authz/rules.h"
#include "base/result.h"
#include "envoy/config/rbac/v3/rbac.pb.h"
#include "envoy/extensions/filters/network/rbac/v3/rbac.pb.h"

namespace mesh::xds {

Result<std::shared_ptr<const authz::Rules>> decode_rules(const envoy::config::rbac::v3::RBAC& from,
                                                         std::string_view path);

Result<std::shared_ptr<const authz::Rbac>> decode_network_rbac(
    const envoy::extensions::filters::network::rbac::v3::RBAC& from, std::string_view path);

}  // namespace mesh::xds
