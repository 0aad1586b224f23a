#include "forward/local_cluster.h"

namespace mesh::forward {
namespace {

const xds::ClusterLoadAssignment* assignment_of(const xds::Cluster& cluster,
                                                const xds::Config& all) {
  if (cluster.load_assignment) return cluster.load_assignment.get();
  const std::string& name =
      cluster.eds_service_name.empty() ? cluster.name : cluster.eds_service_name;
  const auto found = all.endpoints.find(name);
  return found == all.endpoints.end() ? nullptr : found->second.get();
}

bool healthy(xds::HealthStatus health) {
  return health == xds::HealthStatus::Unknown || health == xds::HealthStatus::Healthy;
}

}  // namespace

std::shared_ptr<const upstream::LocalCluster> local_cluster_of(const xds::Cluster& cluster,
                                                               const xds::Config& all) {
  if (cluster.balancing.options.locality != balance::LocalityMode::ZoneAware) return nullptr;
  const std::string& name =
      cluster.caller_cluster.empty() ? all.local_cluster : cluster.caller_cluster;
  const auto own = all.clusters.find(name);
  if (own == all.clusters.end()) return nullptr;
  const auto* const assignment = assignment_of(*own->second, all);
  if (assignment == nullptr) return nullptr;
  auto result = std::make_shared<upstream::LocalCluster>();
  result->locality = cluster.caller_locality.empty() ? all.locality : cluster.caller_locality;
  for (const xds::Endpoint& e : assignment->endpoints) {
    const xds::LocalityGroup& group = assignment->groups[e.group];
    if (group.priority != 0) continue;  // Envoy looks at the first priority alone
    result->healthy[group.locality] += healthy(e.health) ? 1 : 0;
    ++result->total;
  }
  return result;
}

bool same_callers(const std::shared_ptr<const upstream::LocalCluster>& a,
                  const std::shared_ptr<const upstream::LocalCluster>& b) {
  return a == b || (a && b && *a == *b);
}

}  // namespace mesh::forward
