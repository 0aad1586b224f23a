// AdaptiveRule: the settings of the adaptive concurrency filter. A value.
#pragma once

#include <cstdint>

#include "resilience/adaptive_limit.h"

namespace mesh::resilience {

struct AdaptiveRule {
  bool enabled = true;
  uint16_t status = 503;
  AdaptivePolicy policy;
};

}  // namespace mesh::resilience
