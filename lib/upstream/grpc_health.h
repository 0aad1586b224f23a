// grpc.health.v1: the two messages of Health.Check, and their gRPC framing.
//
// github.com/grpc/grpc, doc/health-checking.md. HealthCheckRequest has one field
// (string service = 1), HealthCheckResponse one (enum status = 1, SERVING = 1). Pure.
#pragma once

#include <string>
#include <string_view>

namespace mesh::upstream {

// The request, framed: one message, not compressed.
std::string grpc_health_request(std::string_view service);

// Whether these bytes are exactly one message that says SERVING. What does not
// parse does not.
bool grpc_health_serving(std::string_view framed);

}  // namespace mesh::upstream
