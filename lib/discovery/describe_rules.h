// Rules and policies in a few words each. Part of describe.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "discovery/objects.h"

namespace mesh::discovery {

// Each HTTP, TLS and TCP route: its origin, and what it does with which requests.
std::vector<std::pair<std::string, std::string>> describe_routes(
    const Object<istio::VirtualService>& object);

std::string describe_policy(const istio::TrafficPolicy& policy);
std::string describe_subset(const istio::Subset& subset);
std::string describe_sidecar(const istio::Sidecar& sidecar);
// What it says of traces.
std::string describe_tracing(const istio_telemetry::Telemetry& telemetry);

}  // namespace mesh::discovery
