// Which workloads a policy is about: a selector, or targetRefs, or neither.
#pragma once

#include "config/validate/checker.h"
#include "istio/type/v1beta1/selector.pb.h"

namespace mesh::config {

void check_selector(const ::istio::type::v1beta1::WorkloadSelector& selector, Checker& checker);
// A ServiceEntry or a Gateway of the policy's own namespace; nothing else stands for workloads
// here.
void check_target(const ::istio::type::v1beta1::PolicyTargetReference& target,
                  const std::string& path, Checker& checker);

// `policy` has selector, target_ref and target_refs.
template <class Policy>
void check_workloads(const Policy& policy, Checker& checker) {
  if (policy.has_selector()) check_selector(policy.selector(), checker);
  if (policy.has_target_ref()) check_target(policy.target_ref(), "spec.targetRef", checker);
  for (int i = 0; i < policy.target_refs_size(); ++i)
    check_target(policy.target_refs(i), at_index("spec.targetRefs", i), checker);
  const int ways = int(policy.has_selector()) + int(policy.has_target_ref()) +
                   int(policy.target_refs_size() > 0);
  checker.expect(ways <= 1, "spec", "expected one of selector, targetRef and targetRefs");
}

}  // namespace mesh::config
