// Authorization policies as Envoy's filters of access control (Istio,
// "AuthorizationPolicy"). Inside of lib/discovery/compile only.
//
// In order: what providers are asked of (ext_authz.h), what is marked for audit, what is
// denied, what is allowed; a filter for each action that a policy of the workload has. A rule
// is the policy ns[NAMESPACE]-policy[NAME]-rule[N]; a policy without rules is one that never
// matches.
// Policies of which istio.io/dry-run says "true" are shadow rules.
#pragma once

#include "discovery/compile/filters.h"
#include "discovery/compile/policy_target.h"
#include "envoy/config/listener/v3/listener.pb.h"

namespace mesh::discovery {

// Before the filters that work for those who may call.
void add_authorization(const Model& model, const PolicyTarget& target, HttpManager& manager);

// Before the filter that relays bytes. What only HTTP has never allows, and denies
// whatever it says (Istio).
void add_authorization(const Model& model, const PolicyTarget& target,
                       envoy::config::listener::v3::FilterChain& chain);

}  // namespace mesh::discovery
