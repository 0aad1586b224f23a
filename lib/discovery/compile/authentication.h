// Request authentication as Envoy's filter of tokens (Istio, "RequestAuthentication").
// Inside of lib/discovery/compile only.
//
// One provider a jwtRule, "origins-N" in the order of their issuers. A request without a
// token passes; one with a token that no provider finds good does not.
#pragma once

#include "discovery/compile/filters.h"
#include "discovery/compile/policy_target.h"

namespace mesh::discovery {

// Before authorization, which asks what tokens say.
void add_authentication(const Model& model, const PolicyTarget& target, HttpManager& manager);

}  // namespace mesh::discovery
