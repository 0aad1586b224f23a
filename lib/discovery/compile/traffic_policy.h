// The policy that holds for one port of one subset. Inside of
// lib/discovery/compile only.
#pragma once

#include "discovery/objects.h"

namespace mesh::discovery {

// The rule's policy, and above it the subset's: a member of the subset's replaces the rule's
// as a whole. Of each the settings for the port stand in the place of the policy, if there are
// any: what they leave out has its default. A subset's settings for a port leave the rule's
// proxyProtocol and retryBudget as they are, which they cannot say (Istio,
// MergeSubsetTrafficPolicy()).
istio::TrafficPolicy policy_for(const Object<istio::DestinationRule>* rule,
                                const istio::Subset* subset, uint32_t port);

}  // namespace mesh::discovery
