#include "mesh/v1/rate_limit.pb.h"

#include "config/validate/validate.h"

namespace mesh::config {

void validate(const ::mesh::v1::RateLimit& limit, Checker& checker) {
  checker.host("spec.host", limit.host(), false);
}

}  // namespace mesh::config
