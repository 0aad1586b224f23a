// Response flags: why a request failed, or was not answered by the upstream.
//
// Names are Envoy's (access log, %RESPONSE_FLAGS%); each has one sentence for
// people. A set is an OR of bits.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace mesh::telemetry {

enum class Flag : uint32_t {
  NoHealthyUpstream = 1U << 0,                  // UH
  UpstreamConnectionFailure = 1U << 1,          // UF
  UpstreamOverflow = 1U << 2,                   // UO
  NoRouteFound = 1U << 3,                       // NR
  UpstreamRetryLimitExceeded = 1U << 4,         // URX
  NoClusterFound = 1U << 5,                     // NC
  DurationTimeout = 1U << 6,                    // DT
  DownstreamConnectionTermination = 1U << 7,    // DC
  FailedLocalHealthCheck = 1U << 8,             // LH
  UpstreamRequestTimeout = 1U << 9,             // UT
  LocalReset = 1U << 10,                        // LR
  UpstreamRemoteReset = 1U << 11,               // UR
  UpstreamConnectionTermination = 1U << 12,     // UC
  DelayInjected = 1U << 13,                     // DI
  FaultInjected = 1U << 14,                     // FI
  RateLimited = 1U << 15,                       // RL
  UnauthorizedExternalService = 1U << 16,       // UAEX
  RateLimitServiceError = 1U << 17,             // RLSE
  StreamIdleTimeout = 1U << 18,                 // SI
  InvalidRequestHeaders = 1U << 19,             // IH
  DownstreamProtocolError = 1U << 20,           // DPE
  UpstreamProtocolError = 1U << 21,             // UPE
  UpstreamMaxStreamDurationReached = 1U << 22,  // UMSDR
  OverloadManager = 1U << 23,                   // OM
  DropOverload = 1U << 24,                      // DO
};

class Flags {
 public:
  constexpr Flags() = default;
  constexpr Flags(Flag flag) : bits_(uint32_t(flag)) {}  // NOLINT: implicit
  static constexpr Flags from_bits(uint32_t bits) {
    Flags flags;
    flags.bits_ = bits;
    return flags;
  }

  constexpr void add(Flag flag) { bits_ |= uint32_t(flag); }
  constexpr bool has(Flag flag) const { return (bits_ & uint32_t(flag)) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr uint32_t bits() const { return bits_; }
  constexpr bool operator==(const Flags&) const = default;

 private:
  uint32_t bits_ = 0;
};

struct FlagText {
  Flag flag;
  std::string_view name;       // "UH"
  std::string_view sentence;   // "No host of the cluster is healthy."
  std::string_view long_name;  // "NoHealthyUpstream", as %RESPONSE_FLAGS_LONG% has it
};

// All flags, in Envoy's order.
std::span<const FlagText> flag_texts();

std::string_view name(Flag flag);
std::string_view sentence(Flag flag);

// Appends "UF,URX", or "-" for none.
void append_flags(Flags flags, std::string& out);
// The same by long names.
void append_long_flags(Flags flags, std::string& out);
// Of one flag's short name; nullopt for none.
std::optional<Flag> find_flag(std::string_view name);
std::string to_string(Flags flags);

// The sentence of the first flag that is named `name`; empty for none.
std::string_view sentence(std::string_view name);

}  // namespace mesh::telemetry
