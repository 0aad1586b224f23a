// What inbound listeners take of connections: inboundConnections of a ServicePolicy. Inside of
// lib/discovery/compile only.
#pragma once

#include "discovery/compile/build.h"
#include "envoy/config/listener/v3/listener.pb.h"

namespace mesh::discovery {

// Adds Envoy's connection_limit and local_ratelimit to the chain, which has no filters yet, as
// the policy of the first service says that finds the node's workload at this port.
void add_connection_limits(const Model& model, const Node& node, const InboundPort& port,
                           envoy::config::listener::v3::FilterChain& chain);

}  // namespace mesh::discovery
