// PickContext: what a request brings to the choice of its host.
//
// Views only, filled by who routes the request; valid for the call.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mesh::balance {

// Indices into the hosts of a cluster. At most UINT32_MAX - 1 hosts.
using HostIndex = uint32_t;
inline constexpr HostIndex kNoHost = UINT32_MAX;

struct PickContext {
  // Hosts that are avoided while another may be used (Envoy's previous_hosts).
  // Keep it short: it is searched linearly.
  std::span<const HostIndex> tried = {};
  // Hosts whose priorities are left, while another has hosts that may be used
  // (Envoy's previous_priorities).
  std::span<const HostIndex> left = {};
  // Of the route's hash policies, for ring hash, Maglev and modulo; none: chance.
  std::optional<uint64_t> hash = std::nullopt;
  // Sticky sessions: the address that answered before, "10.0.0.1:80"; empty: none.
  // With `override_strict` nobody else may answer.
  std::string_view override_host = {};
  bool override_strict = false;
  // The route's metadata_match, in order of its keys; null: none.
  const std::vector<std::pair<std::string, std::string>>* subset = nullptr;
};

}  // namespace mesh::balance
