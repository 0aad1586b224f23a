// A rule of an AuthorizationPolicy as a policy of Envoy's. Inside of
// lib/discovery/compile only.
#pragma once

#include <optional>
#include <string>

#include "envoy/config/rbac/v3/rbac.pb.h"
#include "istio/security/v1beta1/authorization_policy.pb.h"

namespace mesh::discovery {

struct AccessScope {
  const std::string& trust_domain;
  const std::string& policy_namespace;
  bool tcp = false;  // connections are judged, not requests
  // Of an ALLOW policy: a rule that asks what cannot be known is left out. Else the
  // question is, and the rule matches more (Istio).
  bool strict = true;
};

// Nullopt: the rule cannot match.
std::optional<envoy::config::rbac::v3::Policy> compile_rule(
    const ::istio::security::v1beta1::Rule& rule, const AccessScope& scope);

}  // namespace mesh::discovery
