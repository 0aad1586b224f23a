// GrpcStats: gRPC requests by service, method and status, of one worker: what
// Envoy's filter grpc_stats counts. One thread, whose registry it is.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "telemetry/registry.h"

namespace mesh::forward {

class GrpcStats {
 public:
  // Clients name methods: those beyond it are counted as one, "other".
  static constexpr size_t kMethodsMax = 128;

  explicit GrpcStats(telemetry::Registry& registry) : registry_(registry) {}  // outlives us

  // A request is over. `path`: "/package.Service/Method"; empty: not by method.
  // `status` 0 to 16, or -1 where none came.
  void record(std::string_view path, int status);

 private:
  static constexpr size_t kStatuses = 18;  // the last: none, or no status of gRPC's

  struct Method {
    std::string service, method;
    std::array<telemetry::Counter*, kStatuses> counters{};
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };

  Method& find(std::string_view path);

  telemetry::Registry& registry_;
  std::unordered_map<std::string, Method, Hash, std::equal_to<>> methods_;
};

}  // namespace mesh::forward
