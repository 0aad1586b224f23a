// FaultRules: which requests a fault is for, and what it is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
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

// What becomes of requests that such tries belong to.
struct FaultOutcome {
  // Not 0: each of them is answered with it, and RESPONSE_CODE_DETAILS of that.
  uint16_t status = 0;
  std::string_view details = {};
  bool late = false;   // the delay is longer than the timeout it counts against
  double aborted = 0;  // the share that is aborted, from 0 to 1: no retry is left
};

// By the route's own timeouts and retries. `grpc`: the request is one of gRPC.
FaultOutcome fault_outcome(const resilience::FaultOdds& odds, const Route& route, bool grpc);

}  // namespace mesh::route
