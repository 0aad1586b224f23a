#include "resilience/fault.h"

#include <algorithm>

namespace mesh::resilience {

bool holds(Fraction share, Random& random) {
  constexpr uint32_t kMillion = 1'000'000;
  if (share.per_million == 0) return false;
  return share.per_million >= kMillion || random.below(kMillion) < share.per_million;
}

Fault decide_fault(const FaultPolicy& policy, Random& random, const FaultRequest& asked) {
  const auto share = [](Fraction most, const std::optional<uint32_t>& percent) {
    constexpr uint32_t kOfPercent = 10'000;
    if (!percent) return most;
    return Fraction{std::min(most.per_million, std::min(*percent, 100U) * kOfPercent)};
  };
  Fault fault;
  const Duration delay =
      policy.delay_by_header ? asked.delay.value_or(Duration::zero()) : policy.delay;
  const auto delay_percent = policy.delay_by_header ? asked.delay_percent : std::nullopt;
  if (delay > Duration::zero() && holds(share(policy.delay_share, delay_percent), random))
    fault.delay = delay;
  uint16_t status = policy.abort_http_status;
  auto grpc_status = policy.abort_grpc_status;
  auto abort_share = policy.abort_share;
  if (policy.abort_by_header) {
    status = asked.http_status.value_or(uint16_t(0));
    if (status == 0) grpc_status = asked.grpc_status;
    abort_share = share(abort_share, asked.abort_percent);
  }
  if ((status != 0 || grpc_status) && holds(abort_share, random)) {
    fault.abort = true;
    fault.grpc_status = grpc_status;
    fault.http_status = grpc_status ? uint16_t(200) : status;
  }
  return fault;
}

}  // namespace mesh::resilience
