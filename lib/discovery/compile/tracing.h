// Tracing as Telemetry objects and the MeshConfig choose it (Istio, "Telemetry"; "Tracing").
// Inside of lib/discovery/compile only.
#pragma once

#include "discovery/compile/access_log.h"
#include "discovery/compile/filters.h"

namespace mesh::discovery {

// Sets `tracing` of the manager, and who may sample. An Envoy exports to the provider's
// service, where it has one; forwarders report spans to statsd whatever it says.
void add_tracing(const Model& model, const Node& node, Direction direction, HttpManager& manager);

// Names the spans of each route's requests as Istio does, HOST:PORT/PATH* by its cluster, or by
// its virtual host; where MeshConfig has anybody who takes spans.
void name_operations(const Model& model, envoy::config::route::v3::VirtualHost& host);

}  // namespace mesh::discovery
