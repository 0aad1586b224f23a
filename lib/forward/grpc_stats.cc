#include "forward/grpc_stats.h"

namespace mesh::forward {

GrpcStats::Method& GrpcStats::find(std::string_view path) {
  if (const auto known = methods_.find(path); known != methods_.end()) return known->second;
  const size_t slash = path.find('/', path.empty() ? 0 : 1);
  const bool named = path.starts_with('/') && slash != path.npos && slash + 1 < path.size() &&
                     path.find_first_of("/?", slash + 1) == path.npos;
  const bool room = methods_.size() < kMethodsMax;
  if (!path.empty() && (!named || !room)) {
    Method& other = methods_["other"];
    other.service = other.method = "other";
    return other;
  }
  Method& method = methods_[std::string(path)];
  if (path.empty()) return method;
  method.service = path.substr(1, slash - 1);
  method.method = path.substr(slash + 1);
  return method;
}

void GrpcStats::record(std::string_view path, int status) {
  Method& method = find(path);
  const bool valid = status >= 0 && size_t(status) + 1 < kStatuses;
  const size_t at = valid ? size_t(status) : kStatuses - 1;
  telemetry::Counter*& counter = method.counters[at];
  if (counter == nullptr)
    counter = &registry_.number("mesh_forwarder_grpc_requests_total",
                                {{"grpc_service", method.service},
                                 {"grpc_method", method.method},
                                 {"grpc_response_status", valid ? std::to_string(at) : "none"}});
  counter->add();
}

}  // namespace mesh::forward
