#include "resilience/fault.h"

namespace mesh::resilience {

bool holds(Fraction share, Random& random) {
  constexpr uint32_t kMillion = 1'000'000;
  if (share.per_million == 0) return false;
  return share.per_million >= kMillion || random.below(kMillion) < share.per_million;
}

Fault decide_fault(const FaultPolicy& policy, Random& random) {
  Fault fault;
  if (policy.delay > Duration::zero() && holds(policy.delay_share, random))
    fault.delay = policy.delay;
  const bool has_abort = policy.abort_http_status != 0 || policy.abort_grpc_status;
  if (has_abort && holds(policy.abort_share, random)) {
    fault.abort = true;
    fault.grpc_status = policy.abort_grpc_status;
    fault.http_status = policy.abort_grpc_status ? 200 : policy.abort_http_status;
  }
  return fault;
}

}  // namespace mesh::resilience
