// How a DestinationRule and a ServicePolicy balance. Inside of lib/discovery/compile only.
#pragma once

#include "discovery/objects.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/route/v3/route.pb.h"

namespace mesh::discovery {

// `extra` may be null.
void set_load_balancer(const istio::LoadBalancerSettings& from,
                       const v1::ServicePolicy::LoadBalancer* extra,
                       envoy::config::cluster::v3::Cluster& cluster);

// What requests to such a cluster are hashed by; nothing without consistentHash.
void add_hash_policy(const istio::LoadBalancerSettings& from,
                     envoy::config::route::v3::RouteAction& action);

}  // namespace mesh::discovery
