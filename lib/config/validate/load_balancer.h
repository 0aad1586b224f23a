// The loadBalancer of a DestinationRule's policies. Inside of lib/config/validate only.
#pragma once

#include <string>

#include "config/validate/validate.h"
#include "istio/networking/v1alpha3/destination_rule.pb.h"

namespace mesh::config {

void check_load_balancer(const ::istio::networking::v1alpha3::LoadBalancerSettings& settings,
                         const std::string& path, Checker& checker);

}  // namespace mesh::config
