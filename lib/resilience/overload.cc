#include "resilience/overload.h"

#include <algorithm>

namespace mesh::resilience {

std::string_view to_string(OverloadAction action) {
  switch (action) {
    case OverloadAction::StopAcceptingRequests: return "stop_accepting_requests";
    case OverloadAction::DisableKeepalive: return "disable_http_keepalive";
    case OverloadAction::StopAcceptingConnections: return "stop_accepting_connections";
    case OverloadAction::RejectConnections: return "reject_incoming_connections";
  }
  return "";
}

std::string_view to_string(OverloadResource resource) {
  switch (resource) {
    case OverloadResource::Memory: return "fixed_heap";
    case OverloadResource::Connections: return "global_downstream_max_connections";
    case OverloadResource::Descriptors: return "descriptors";
  }
  return "";
}

uint32_t Overload::update(const OverloadPolicy& policy, const Pressures& pressures, Instant now) {
  for (size_t i = 0; i < kOverloadActions; ++i) {
    const uint32_t bit = 1U << i;
    bool at = false, near = false;
    for (const auto& trigger : policy.triggers) {
      if (uint32_t(trigger.action) != bit) continue;
      const double pressure = pressures[size_t(trigger.resource)];
      at = at || pressure >= trigger.threshold;
      near = near || pressure > trigger.threshold - kMargin;
    }
    if (at) active_ |= bit;
    if ((active_ & bit) == 0) continue;
    if (near) {
      calm_since_[i].reset();
    } else if (!calm_since_[i]) {
      calm_since_[i] = now;
    } else if (now - *calm_since_[i] >= kCalm) {
      active_ &= ~bit;
      calm_since_[i].reset();
    }
  }
  return active_;
}

}  // namespace mesh::resilience
