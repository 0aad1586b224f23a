// PolicyTarget: whose inbound calls a policy may be about. Inside of
// lib/discovery/compile only.
#pragma once

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

// Whether a policy of the kinds of security.istio.io is about it: of its namespace or of
// the root namespace, by selector or targetRefs, or by neither.
template <class Policy>
bool is_about(const Model& model, const Object<Policy>& policy, const PolicyTarget& target) {
  const bool root = policy.ns == model.options().root_namespace;
  if (policy.ns != target.ns && !root) return false;
  const auto& spec = policy.spec;
  const auto refers = [&](const auto& ref) {
    return policy.ns == target.ns && serves(model, target, ref.name());
  };
  if (spec.has_target_ref()) return refers(spec.target_ref());
  for (const auto& ref : spec.target_refs())
    if (refers(ref)) return true;
  if (spec.target_refs_size() > 0) return false;
  return selects(spec.selector().match_labels(), target.labels);
}

}  // namespace mesh::discovery
