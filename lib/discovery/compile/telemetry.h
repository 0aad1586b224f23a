// Which Telemetry holds for a forwarder (Istio, "Telemetry"). Inside of
// lib/discovery/compile only.
//
// For each matter, of each direction: the one whose selector has the workload, else its
// namespace's, else the root namespace's, if it speaks of the matter; of several of one
// scope the first by name, and of its entries the last for the direction.
#pragma once

#include "discovery/compile/access_log.h"

namespace mesh::discovery {

// Null: none speaks of it.
const istio_telemetry::AccessLogging* access_logging(const Model& model, const Node& node,
                                                     Direction direction);
const istio_telemetry::Tracing* tracing(const Model& model, const Node& node, Direction direction);

}  // namespace mesh::discovery
