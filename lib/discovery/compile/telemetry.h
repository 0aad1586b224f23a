// Which Telemetry holds for a forwarder (Istio, "Telemetry"). Inside of lib/discovery only.
//
// For each matter, of each direction: the one whose selector has the workload, else its
// namespace's, else the root namespace's, if it speaks of the matter; of several of one
// scope the first by name, and of its entries the last for the direction.
#pragma once

#include "discovery/compile/access_log.h"
#include "discovery/compile/build.h"
#include "envoy/config/listener/v3/listener.pb.h"

namespace mesh::discovery {

// Null: none speaks of it.
const istio_telemetry::AccessLogging* access_logging(const Model& model, const Node& node,
                                                     Direction direction);
std::vector<const Object<istio_telemetry::Telemetry>*> tracing_objects(const Model& model,
                                                                       const Node& node);
// Of tracing all that hold, the nearest last: each field has its own word (Istio).
std::vector<const istio_telemetry::Tracing*> tracings(const Model& model, const Node& node,
                                                      Direction direction);

// The resource of a listener: with what its direction's standard metrics look like in its
// metadata (xds/decode_metrics.h), where that is not as they are. Of metrics the overrides of
// all scopes hold, the mesh's first.
Resource listener_resource(const Model& model, const Node& node,
                           envoy::config::listener::v3::Listener& listener);

}  // namespace mesh::discovery
