// PolicyTarget: whose inbound calls a policy may be about. Inside of
// lib/discovery/compile only.
#pragma once

#include <algorithm>
#include <optional>
#include <string>

#include "discovery/model.h"

namespace mesh::discovery {

struct PolicyTarget {
  const std::string& ns;
  const Labels& labels;
  const Workload* workload = nullptr;  // null: no instance of any service
};

// The node's own workload, else the node by its own words: a gateway, or somebody whose
// connections are captured.
PolicyTarget target_of(const Model& model, const Node& node);

// Whether the ServiceEntry of this name has the workload.
bool serves(const Model& model, const PolicyTarget& target, const std::string& entry);

// Whether the Gateway of this name, of the target's namespace, has the forwarder.
bool listens_for(const Model& model, const PolicyTarget& target, const std::string& gateway);

// Whether it is what the targetRefs of a policy of its namespace refer to; nullopt: the
// policy has none.
template <class Spec>
std::optional<bool> is_referred_to(const Model& model, const Spec& spec,
                                   const PolicyTarget& target) {
  const auto refers = [&](const auto& ref) {
    return ref.kind() == "Gateway" ? listens_for(model, target, ref.name())
                                   : serves(model, target, ref.name());
  };
  if (spec.has_target_ref()) return refers(spec.target_ref());
  const auto& refs = spec.target_refs();
  if (refs.empty()) return std::nullopt;
  return std::any_of(refs.begin(), refs.end(), refers);
}

// Whether a policy of the kinds of security.istio.io is about it: of its namespace or of
// the root namespace, by selector or targetRefs, or by neither.
template <class Policy>
bool is_about(const Model& model, const Object<Policy>& policy, const PolicyTarget& target) {
  const bool root = policy.ns == model.options().root_namespace;
  if (policy.ns != target.ns && !root) return false;
  if (const auto referred = is_referred_to(model, policy.spec, target))
    return *referred && policy.ns == target.ns;
  return selects(policy.spec.selector().match_labels(), target.labels);
}

}  // namespace mesh::discovery
