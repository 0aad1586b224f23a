#include "discovery/group.h"

#include <algorithm>

namespace mesh::discovery {

const Object<istio::WorkloadGroup>* find_group(const Objects& objects, const std::string& ns,
                                               const std::string& name) {
  for (const auto& group : objects.workload_groups)
    if (group.ns == ns && group.name == name) return &group;
  return nullptr;
}

Workload instance_of_group(const Object<istio::WorkloadGroup>& group, Workload own) {
  const auto& spec = group.spec;
  const auto& made = spec.template_();
  own.group = group.name;
  own.ports.insert(made.ports().begin(), made.ports().end());
  own.labels.insert(made.labels().begin(), made.labels().end());
  own.labels.insert(spec.metadata().labels().begin(), spec.metadata().labels().end());
  if (own.service_account.empty()) own.service_account = made.service_account();
  if (own.locality.empty()) own.locality = made.locality();
  if (made.weight() != 0) own.weight = made.weight();
  return own;
}

}  // namespace mesh::discovery
