// local_cluster_of: who calls, for zone-aware routing: the instances of the forwarder's
// own cluster, as discovery sees them.
#pragma once

#include <memory>

#include "upstream/cluster_spec.h"
#include "xds/values.h"

namespace mesh::forward {

// Null where the cluster is not zone-aware, or nothing is known of the callers.
std::shared_ptr<const upstream::LocalCluster> local_cluster_of(const xds::Cluster& cluster,
                                                               const xds::Config& all);

// Whether a cluster that was built with one can go on with the other.
bool same_callers(const std::shared_ptr<const upstream::LocalCluster>& a,
                  const std::shared_ptr<const upstream::LocalCluster>& b);

}  // namespace mesh::forward
