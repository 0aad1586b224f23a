#include "mesh/v1/circuit_breaker.pb.h"

#include "config/validate/validate.h"

namespace mesh::config {

void validate(const ::mesh::v1::CircuitBreaker& breaker, Checker& checker) {
  checker.host("spec.host", breaker.host(), false);
}

}  // namespace mesh::config
