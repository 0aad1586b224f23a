// Request authentication as Envoy's filter of tokens (Istio, "RequestAuthentication").
// Inside of lib/discovery/compile only.
//
// One provider a jwtRule, "origins-N" in the order of their issuers. A request without a
// token passes; one with a token that no provider finds good does not.
#pragma once

#include "discovery/compile/filters.h"
#include "discovery/compile/policy_target.h"

namespace mesh::discovery {

// By which the filter's findings are known, and what they have of a token (Istio).
inline constexpr const char* kJwtFilter = "envoy.filters.http.jwt_authn";
inline constexpr const char* kJwtPayload = "payload";

// Before authorization, which asks what tokens say. `reroutes`: so do routes.
void add_authentication(const Model& model, const PolicyTarget& target, bool reroutes,
                        HttpManager& manager);

}  // namespace mesh::discovery
