// What every route configuration of ours says of its size.
#pragma once

#include <cstdint>

namespace mesh::discovery {

// Of a direct response, in place of Envoy's 4096 bytes: as Istio, whose validation has it too.
inline constexpr uint32_t kDirectBodyBytesMax = 1024 * 1024;

}  // namespace mesh::discovery
