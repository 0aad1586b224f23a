// ConnectionPoolSettings, of a DestinationRule and of a Sidecar. Inside of
// lib/config/validate only.
#pragma once

#include <string>

#include "config/validate/validate.h"
#include "istio/networking/v1alpha3/destination_rule.pb.h"

namespace mesh::config {

void check_connection_pool(const ::istio::networking::v1alpha3::ConnectionPoolSettings& pool,
                           const std::string& path, Checker& checker);

}  // namespace mesh::config
