// FaultRules: which requests a fault is for, and what it is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "resilience/fault.h"
#include "route/route.h"

namespace mesh::route {

// filters.http.fault.v3.HTTPFault.
struct FaultRules {
  resilience::FaultPolicy policy{};
  std::vector<FieldMatch> headers = {};     // compiled; all must hold
  std::string upstream_cluster = {};        // where it is named: only requests to it
  std::optional<uint32_t> max_active = {};  // requests under a fault at once
};

// What each try of `request`, which took `route`, may meet; nothing where the fault is not
// for it. Fields by which the request asks for a fault are looked at where the policy says so
// (Envoy, "Controlling fault injection via HTTP headers"). Pure; no allocation.
resilience::FaultOdds fault_odds(const FaultRules& rules, const Request& request,
                                 const Route& route);

}  // namespace mesh::route
