#include "mesh/v1/mesh_config.pb.h"

#include "config/validate/outbound_policy.h"

namespace mesh::config {

void validate(const ::mesh::v1::MeshConfig& config, Checker& checker) {
  if (config.has_dns_refresh_rate()) {
    checker.duration("spec.dnsRefreshRate", config.dns_refresh_rate(), false);
    checker.expect(config.dns_refresh_rate().seconds() >= 1, "spec.dnsRefreshRate",
                   "expected at least 1s");
  }
  if (config.has_protocol_detection_timeout())
    checker.duration("spec.protocolDetectionTimeout", config.protocol_detection_timeout(), true);
  check_outbound_policy(config.outbound_traffic_policy(), checker);
}

}  // namespace mesh::config
