#include "mesh/v1/service_policy.pb.h"

#include "config/validate/validate.h"

namespace mesh::config {

void validate(const ::mesh::v1::ServicePolicy& policy, Checker& checker) {
  checker.host("spec.host", policy.host(), false);
  if (!policy.subset().empty()) checker.label_name("spec.subset", policy.subset());
}

}  // namespace mesh::config
