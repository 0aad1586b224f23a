#include "mesh/v1/mesh_config.pb.h"

#include "config/validate/validate.h"

namespace mesh::config {

void validate(const ::mesh::v1::MeshConfig& config, Checker& checker) {
  if (config.has_protocol_detection_timeout())
    checker.duration("spec.protocolDetectionTimeout", config.protocol_detection_timeout(), true);
}

}  // namespace mesh::config
