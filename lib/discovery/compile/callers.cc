#include "discovery/compile/callers.h"

#include <algorithm>

namespace mesh::discovery {

const Service* calling_service(const Model& model, const Node& node) {
  const Workload* const workload = model.workload_of(node);
  if (workload == nullptr || model.locality(node).empty()) return nullptr;
  const auto services = model.services_for(node);
  const auto found = std::find_if(services.begin(), services.end(), [&](const Service* service) {
    const auto& all = service->workloads;
    return !service->ports.empty() && std::find(all.begin(), all.end(), workload) != all.end();
  });
  return found == services.end() ? nullptr : *found;
}

}  // namespace mesh::discovery
