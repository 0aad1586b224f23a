// spec.outboundTrafficPolicy, of a Sidecar and of the mesh. Inside of lib/config/validate
// only.
#pragma once

#include "config/validate/validate.h"
#include "istio/networking/v1alpha3/sidecar.pb.h"

namespace mesh::config {

void check_outbound_policy(const ::istio::networking::v1alpha3::OutboundTrafficPolicy& policy,
                           Checker& checker);

}  // namespace mesh::config
