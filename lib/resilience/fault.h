// Fault: whether a request is delayed or answered by us, to test who calls.
//
// Semantics: Envoy, HTTP fault filter: delay and abort are drawn apart; a delay
// comes first. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "base/random.h"
#include "resilience/policy.h"

namespace mesh::resilience {

struct Fault {
  Duration delay{0};                   // 0: none (flag DI otherwise)
  bool abort = false;                  // after the delay (flag FI)
  uint16_t http_status = 0;            // with abort; 200 for a gRPC abort
  std::optional<uint8_t> grpc_status;  // with abort of a gRPC kind

  explicit operator bool() const { return delay > Duration::zero() || abort; }
};

// What a request asks for by header, where the policy lets it. Nothing: not said.
struct FaultRequest {
  std::optional<Duration> delay = std::nullopt;
  std::optional<uint16_t> http_status = std::nullopt;
  std::optional<uint8_t> grpc_status = std::nullopt;
  // x-envoy-fault-delay-request-percentage and -abort-request-percentage: of a hundred,
  // at most the policy's share.
  std::optional<uint32_t> delay_percent = std::nullopt;
  std::optional<uint32_t> abort_percent = std::nullopt;
};

// What may become of a request, and of which share; what never does has a share of none.
struct FaultOdds {
  Fraction delay_share{};
  Duration delay{0};
  Fraction abort_share{};
  uint16_t http_status = 0;  // as of Fault
  std::optional<uint8_t> grpc_status{};

  explicit operator bool() const {
    return delay_share.per_million > 0 || abort_share.per_million > 0;
  }
};
FaultOdds fault_odds(const FaultPolicy& policy, const FaultRequest& asked = {});

Fault decide_fault(const FaultOdds& odds, Random& random);

// True with the share's probability; exact for 0 and for 1000000.
bool holds(Fraction share, Random& random);

}  // namespace mesh::resilience
