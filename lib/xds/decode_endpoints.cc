#include "base/text.h"
#include "xds/decode.h"
#include "xds/decode_balancing.h"
#include "xds/decode_cluster.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace pb = envoy::config::endpoint::v3;
namespace core = envoy::config::core::v3;

constexpr uint32_t kPriorityMax = 128;
constexpr size_t kWorkloadBytesMax = 4096;

HealthStatus decode_health(core::HealthStatus status) {
  switch (status) {
    case core::HEALTHY: return HealthStatus::Healthy;
    case core::UNHEALTHY: return HealthStatus::Unhealthy;
    case core::DRAINING: return HealthStatus::Draining;
    case core::TIMEOUT: return HealthStatus::Timeout;
    case core::DEGRADED: return HealthStatus::Degraded;
    default: return HealthStatus::Unknown;
  }
}

// envoy.transport_socket_match: tlsMode=istio, as Istio marks mesh endpoints.
bool wants_tls(const core::Metadata& metadata) {
  const auto found = metadata.filter_metadata().find("envoy.transport_socket_match");
  if (found == metadata.filter_metadata().end()) return false;
  const auto mode = found->second.fields().find("tlsMode");
  return mode != found->second.fields().end() && mode->second.string_value() == "istio";
}

// As Istio writes it; anything else says nothing of the endpoint, and is no error:
// it names labels of metrics, not where requests go.
WorkloadName workload_name(const core::Metadata& metadata) {
  const auto found = metadata.filter_metadata().find("istio");
  if (found == metadata.filter_metadata().end()) return {};
  const auto value = found->second.fields().find("workload");
  if (value == found->second.fields().end()) return {};
  const std::string& text = value->second.string_value();
  if (text.size() > kWorkloadBytesMax) return {};
  auto parts = text::split(text, ';');
  if (parts.size() < 4 || parts.size() > 5) return {};
  if (parts.size() == 4) parts.emplace_back();
  return {.name = std::string(parts[0]),
          .ns = std::string(parts[1]),
          .canonical_name = std::string(parts[2]),
          .canonical_revision = std::string(parts[3]),
          .cluster = std::string(parts[4])};
}

Result<void> decode_check_config(const pb::Endpoint::HealthCheckConfig& from,
                                 const std::string& path, Endpoint& into) {
  if (from.port_value() > UINT16_MAX) return refuse(path_of(path, "port_value"), "is no port");
  into.health_check_port = uint16_t(from.port_value());
  into.health_check_hostname = from.hostname();
  into.health_check_disabled = from.disable_active_health_check();
  if (!from.has_address()) return {};
  MESH_TRY(into.health_check_address, decode_address(from.address(), path_of(path, "address")));
  return {};
}

Result<Endpoint> decode_endpoint(const pb::LbEndpoint& endpoint, const std::string& path,
                                 bool names) {
  Endpoint result;
  if (!endpoint.has_endpoint()) return refuse(path_of(path, "endpoint"), "is missing");
  MESH_TRY(result.address, decode_address(endpoint.endpoint().address(),
                                          path_of(path, "endpoint.address"), false, names));
  result.hostname = endpoint.endpoint().hostname();
  MESH_TRY_VOID(decode_check_config(endpoint.endpoint().health_check_config(),
                                    path_of(path, "endpoint.health_check_config"), result));
  if (endpoint.has_load_balancing_weight())
    result.weight = endpoint.load_balancing_weight().value();
  if (result.weight == 0) return refuse(path_of(path, "load_balancing_weight"), "is at least 1");
  result.health = decode_health(endpoint.health_status());
  const auto& metadata = endpoint.metadata().filter_metadata();
  if (const auto lb = metadata.find("envoy.lb"); lb != metadata.end()) {
    result.lb_metadata = decode_lb_metadata(lb->second);
    const auto key = lb->second.fields().find("hash_key");
    if (key != lb->second.fields().end()) result.hash_key = key->second.string_value();
  }
  result.tls = wants_tls(endpoint.metadata());
  result.workload = workload_name(endpoint.metadata());
  return result;
}

Result<void> decode_assignment_policy(const pb::ClusterLoadAssignment::Policy& policy,
                                      const std::string& path, ClusterLoadAssignment& into) {
  if (policy.has_overprovisioning_factor())
    into.overprovisioning_percent = policy.overprovisioning_factor().value();
  if (into.overprovisioning_percent == 0)
    return refuse(path_of(path, "overprovisioning_factor"), "is over 0");
  into.weighted_priority_health = policy.weighted_priority_health();
  for (int i = 0; i < policy.drop_overloads_size(); ++i) {
    const auto& drop = policy.drop_overloads(i);
    if (drop.category().empty())
      return refuse(path_of(path_of(path, "drop_overloads", i), "category"), "is empty");
    into.drop_overloads.push_back(
        {.category = drop.category(),
         .per_million = decode_fraction(drop.drop_percentage()).per_million});
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<const ClusterLoadAssignment>> decode_assignment(
    const pb::ClusterLoadAssignment& assignment, std::string_view path, bool names) {
  auto result = std::make_shared<ClusterLoadAssignment>();
  result->cluster_name = assignment.cluster_name();
  if (result->cluster_name.empty()) return refuse(path_of(path, "cluster_name"), "is empty");
  MESH_TRY_VOID(decode_assignment_policy(assignment.policy(), path_of(path, "policy"), *result));
  for (int i = 0; i < assignment.endpoints_size(); ++i) {
    const auto& group = assignment.endpoints(i);
    const std::string at = path_of(path, "endpoints", i);
    if (group.priority() > kPriorityMax) return refuse(path_of(at, "priority"), "over 128");
    result->groups.push_back({.locality = locality_text(group.locality()),
                              .priority = group.priority(),
                              .weight = group.load_balancing_weight().value()});
    for (int j = 0; j < group.lb_endpoints_size(); ++j) {
      if (result->endpoints.size() >= kEndpointsMax)
        return Error{Errc::TooBig, "over 10000 endpoints"};
      MESH_TRY(auto endpoint,
               decode_endpoint(group.lb_endpoints(j), path_of(at, "lb_endpoints", j), names));
      endpoint.group = uint32_t(i);
      result->endpoints.push_back(std::move(endpoint));
    }
  }
  return std::shared_ptr<const ClusterLoadAssignment>(std::move(result));
}

Result<std::shared_ptr<const ClusterLoadAssignment>> decode_endpoints(std::string_view bytes) {
  pb::ClusterLoadAssignment assignment;
  MESH_TRY_VOID(parse_supported(bytes, assignment));
  return decode_assignment(assignment, "", false);
}

}  // namespace mesh::xds
