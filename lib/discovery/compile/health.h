// What a ServicePolicy says of its hosts' health, as Envoy's cluster has it. Inside of
// lib/discovery/compile only.
#pragma once

#include "discovery/objects.h"
#include "envoy/config/cluster/v3/cluster.pb.h"

namespace mesh::discovery {

void set_health(const v1::ServicePolicy& policy, envoy::config::cluster::v3::Cluster& cluster);

}  // namespace mesh::discovery
