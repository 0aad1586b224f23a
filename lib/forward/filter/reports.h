// Reports: what filters share, as metrics and as pages for people. Pure.
#pragma once

#include <string>
#include <vector>

#include "forward/filter/shared.h"
#include "telemetry/registry.h"

namespace mesh::forward::filter {

// mesh_circuit_breaker_*, as mesh-metrics(7) has them.
void add_numbers(const std::vector<BreakerReport>& breakers, telemetry::Snapshot& into);
// mesh_rate_limit_requests_total.
void add_numbers(const std::vector<RateLimitReport>& limits, telemetry::Snapshot& into);
// mesh_adaptive_concurrency_*.
void add_numbers(const std::vector<AdaptiveReport>& limits, telemetry::Snapshot& into);
// mesh_rbac_decisions_total.
void add_numbers(const std::vector<RbacReport>& filters, telemetry::Snapshot& into);
// mesh_jwt_authn_requests_total, mesh_jwt_authn_cache_total.
void add_numbers(const std::vector<JwtReport>& filters, telemetry::Snapshot& into);
// mesh_ext_authz_requests_total.
void add_numbers(const std::vector<ExtAuthzReport>& filters, telemetry::Snapshot& into);

// A JSON array, one object a breaker; the admin page /breakers.
std::string to_json(const std::vector<BreakerReport>& breakers);

}  // namespace mesh::forward::filter
