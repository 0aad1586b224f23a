// DestinationRules of one host in one namespace, made one. Inside of lib/discovery only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "discovery/objects.h"

namespace mesh::discovery {

using DestinationRuleRef = std::shared_ptr<const Object<istio::DestinationRule>>;

// Rules of the same namespace, host (as `resolve` completes it), exportTo and
// workloadSelector are one, in the order of their names: the first trafficPolicy, and of each
// name the first subset (Istio, mergeDestinationRule(), where the time of creation goes before the
// name). The one is called as the rule is whose trafficPolicy it has. A rule that is
// alone is that of `objects`.
std::vector<DestinationRuleRef> merged_rules(
    const std::shared_ptr<const Objects>& objects,
    const std::function<std::string(const std::string& host, const std::string& ns)>& resolve);

// "DestinationRule/NAMESPACE/NAME", and of subsets[i]: as it was written.
std::string origin_of(const Object<istio::DestinationRule>& rule);
std::string origin_of_subset(const Object<istio::DestinationRule>& rule, int i);

}  // namespace mesh::discovery
