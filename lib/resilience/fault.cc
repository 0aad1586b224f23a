#include "resilience/fault.h"

#include <algorithm>

namespace mesh::resilience {

bool holds(Fraction share, Random& random) {
  constexpr uint32_t kMillion = 1'000'000;
  if (share.per_million == 0) return false;
  return share.per_million >= kMillion || random.below(kMillion) < share.per_million;
}

FaultOdds fault_odds(const FaultPolicy& policy, const FaultRequest& asked) {
  const auto share = [](Fraction most, const std::optional<uint32_t>& percent) {
    constexpr uint32_t kOfPercent = 10'000;
    if (!percent) return most;
    return Fraction{std::min(most.per_million, std::min(*percent, 100U) * kOfPercent)};
  };
  FaultOdds odds;
  const Duration delay =
      policy.delay_by_header ? asked.delay.value_or(Duration::zero()) : policy.delay;
  if (delay > Duration::zero()) {
    odds.delay = delay;
    odds.delay_share =
        share(policy.delay_share, policy.delay_by_header ? asked.delay_percent : std::nullopt);
  }
  uint16_t status = policy.abort_http_status;
  auto grpc_status = policy.abort_grpc_status;
  auto abort_share = policy.abort_share;
  if (policy.abort_by_header) {
    status = asked.http_status.value_or(uint16_t(0));
    if (status == 0) grpc_status = asked.grpc_status;
    abort_share = share(abort_share, asked.abort_percent);
  }
  if (status != 0 || grpc_status) {
    odds.abort_share = abort_share;
    odds.grpc_status = grpc_status;
    odds.http_status = grpc_status ? uint16_t(200) : status;
  }
  return odds;
}

Fault decide_fault(const FaultOdds& odds, Random& random) {
  Fault fault;
  if (holds(odds.delay_share, random)) fault.delay = odds.delay;
  if (holds(odds.abort_share, random)) {
    fault.abort = true;
    fault.grpc_status = odds.grpc_status;
    fault.http_status = odds.http_status;
  }
  return fault;
}

}  // namespace mesh::resilience
