// Access logs as Telemetry objects choose them. Inside of lib/discovery/compile only.
#pragma once

#include <google/protobuf/repeated_ptr_field.h>

#include "discovery/model.h"
#include "envoy/config/accesslog/v3/accesslog.pb.h"

namespace mesh::discovery {

using AccessLogs = google::protobuf::RepeatedPtrField<envoy::config::accesslog::v3::AccessLog>;

// The calls that the node makes, or those that its workload is asked.
enum class Direction : uint8_t { Client, Server };

// Adds the node's own access log where it has one and the Telemetry that holds for the
// direction does not switch it off, with that one's filter;
// in Istio's format.
void add_access_log(const Model& model, const Node& node, Direction direction, AccessLogs& logs);

}  // namespace mesh::discovery
