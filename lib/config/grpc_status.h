// The names of gRPC status codes, as VirtualService faults use them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace mesh::config {

// The code of a name ("UNAVAILABLE" is 14), or nullopt where it is none.
// grpc.io, "Status codes".
std::optional<uint32_t> grpc_status(std::string_view name);

}  // namespace mesh::config
