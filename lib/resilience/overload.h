// Overload: what the process sheds when a resource of it runs short.
//
// Envoy's overload manager: monitors give the pressure of a resource, 0 to 1 of
// its limit; an action is active while a trigger of it is at its threshold. Here
// it ends when the pressure has been below the threshold by a margin for a while,
// so that it does not flap. Pure; one thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace mesh::resilience {

enum class OverloadResource : uint8_t { Memory, Connections, Descriptors };
inline constexpr size_t kOverloadResources = 3;

// A bit each.
enum class OverloadAction : uint8_t {
  StopAcceptingRequests = 1,     // 503, flag OM, details "overload"
  DisableKeepalive = 2,          // connections end with their next response
  StopAcceptingConnections = 4,  // they wait in the listener's queue
  RejectConnections = 8,         // they are closed
};
inline constexpr size_t kOverloadActions = 4;

// Envoy's names: "stop_accepting_requests", "fixed_heap", ...
std::string_view to_string(OverloadAction action);
std::string_view to_string(OverloadResource resource);

struct OverloadPolicy {
  struct Trigger {
    OverloadAction action;
    OverloadResource resource;
    double threshold = 1;
  };
  Duration refresh = std::chrono::milliseconds(250);
  uint64_t memory_bytes_max = 0;  // of the process; 0: not watched
  uint64_t connections_max = 0;   // downstream; 0: not watched. Also a hard limit
  uint64_t descriptors_max = 0;   // 0: not watched
  std::vector<Trigger> triggers{};

  bool watches_anything() const {
    return memory_bytes_max != 0 || connections_max != 0 || descriptors_max != 0;
  }
};

class Overload {
 public:
  static constexpr double kMargin = 0.05;
  static constexpr Duration kCalm = std::chrono::seconds(1);

  using Pressures = std::array<double, kOverloadResources>;  // by resource

  // The bits of the actions that are active now.
  uint32_t update(const OverloadPolicy& policy, const Pressures& pressures, Instant now);
  uint32_t active() const { return active_; }

 private:
  uint32_t active_ = 0;
  std::array<std::optional<Instant>, kOverloadActions> calm_since_;
};

}  // namespace mesh::resilience
