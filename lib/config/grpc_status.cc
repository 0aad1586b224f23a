#include "config/grpc_status.h"

#include <algorithm>
#include <array>

namespace mesh::config {

std::optional<uint32_t> grpc_status(std::string_view name) {
  // A code is its place.
  constexpr auto kNames = std::to_array<std::string_view>({
      "OK",
      "CANCELLED",
      "UNKNOWN",
      "INVALID_ARGUMENT",
      "DEADLINE_EXCEEDED",
      "NOT_FOUND",
      "ALREADY_EXISTS",
      "PERMISSION_DENIED",
      "RESOURCE_EXHAUSTED",
      "FAILED_PRECONDITION",
      "ABORTED",
      "OUT_OF_RANGE",
      "UNIMPLEMENTED",
      "INTERNAL",
      "UNAVAILABLE",
      "DATA_LOSS",
      "UNAUTHENTICATED",
  });
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return uint32_t(found - kNames.begin());
}

}  // namespace mesh::config
