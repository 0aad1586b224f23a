// The policy that holds for one port of one subset. Inside of
// lib/discovery/compile only.
#pragma once

#include "discovery/objects.h"

namespace mesh::discovery {

// The rule's policy, its settings for the port above it, and above both the
// subset's and the subset's for the port. A narrower member replaces the wider
// one as a whole (Istio, "DestinationRule": port-level settings and subsets).
istio::TrafficPolicy policy_for(const Object<istio::DestinationRule>* rule,
                                const istio::Subset* subset, uint32_t port);

}  // namespace mesh::discovery
