// FaultRules: which requests a fault is for, and what it is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "resilience/policy.h"
#include "route/route.h"

namespace mesh::route {

// filters.http.fault.v3.HTTPFault.
struct FaultRules {
  resilience::FaultPolicy policy{};
  std::vector<FieldMatch> headers = {};     // compiled; all must hold
  std::string upstream_cluster = {};        // where it is named: only requests to it
  std::optional<uint32_t> max_active = {};  // requests under a fault at once
};

}  // namespace mesh::route
