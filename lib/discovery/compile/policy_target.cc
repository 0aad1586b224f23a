#include "discovery/compile/policy_target.h"

#include <algorithm>

namespace mesh::discovery {

PolicyTarget target_of(const Model& model, const Node& node) {
  const Workload* const workload = model.workload_of(node);
  if (workload == nullptr) return {node.ns, node.labels};
  return {workload->ns, workload->labels, workload};
}

bool serves(const Model& model, const PolicyTarget& target, const std::string& entry) {
  if (target.workload == nullptr) return false;
  const std::string object = "ServiceEntry/" + target.ns + "/" + entry;
  return std::any_of(model.services().begin(), model.services().end(), [&](const Service& service) {
    return service.object == object && std::find(service.workloads.begin(), service.workloads.end(),
                                                 target.workload) != service.workloads.end();
  });
}

bool listens_for(const Model& model, const PolicyTarget& target, const std::string& gateway) {
  const auto* const found = model.objects().gateways.find(target.ns, gateway);
  return found != nullptr && selects(found->spec.selector(), target.labels);
}

}  // namespace mesh::discovery
