// Config: all that a cluster's configuration says of its balancing.
#pragma once

#include <optional>

#include "balance/host.h"
#include "balance/options.h"
#include "balance/subsets.h"

namespace mesh::balance {

// Bits of 1 << Health.
inline constexpr uint8_t kOverrideHealth =
    1U << uint8_t(Health::Healthy) | 1U << uint8_t(Health::Degraded);

struct Config {
  Options options = {};
  std::optional<SubsetOptions> subsets = {};
  // Where a sticky session's host may be used (override_host_status). Envoy's
  // default: UNKNOWN, HEALTHY, DEGRADED.
  uint8_t override_health = kOverrideHealth;
};

}  // namespace mesh::balance
