#pragma once

#include <cstdint>
#include <vector>

#include "discovery/compile/build.h"
#include "discovery/model.h"
#include "envoy/config/cluster/v3/cluster.pb.h"

namespace mesh::discovery {

// The probe of the WorkloadGroup that the node's workload was made of, as the active
// health check of one of its inbound clusters: that of the port it asks, else the
// first. Its forwarder tells what it finds (HealthReport).
void set_probe(const Model& model, const Node& node, const std::vector<InboundPort>& ports,
               const InboundPort& port, envoy::config::cluster::v3::Cluster& cluster);

}  // namespace mesh::discovery
