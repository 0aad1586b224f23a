// What of a cluster's balancing its routes have to say: hash policies, sticky
// sessions. Inside of lib/discovery/compile only.
#pragma once

#include <vector>

#include "discovery/model.h"
#include "envoy/config/route/v3/route.pb.h"

namespace mesh::discovery {

// A route's own sticky session, before those of its clusters.
void set_session(const v1::ServicePolicy::StickySession& from,
                 envoy::config::route::v3::Route& route);

// Of each route, by the clusters it names: once all routes are there. `callable` are the
// services_for() the node.
void add_session_policies(const Model& model, const Node& node,
                          const std::vector<const Service*>& callable,
                          envoy::config::route::v3::VirtualHost& host);

// The name of the filter of sticky sessions in a chain.
inline constexpr const char* kSessionFilter = "envoy.filters.http.stateful_session";

}  // namespace mesh::discovery
