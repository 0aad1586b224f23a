#include "explain/held.h"

#include "envoy/config/route/v3/route.pb.h"
#include "xds/decode.h"

namespace mesh::explain {

Result<Held> Held::decode(const snapshot::v1::Snapshot& snapshot,
                          const snapshot::v1::Forwarder& forwarder) {
  Held held(snapshot, forwarder);
  MESH_TRY_VOID(held.add(forwarder.resources()));
  return held;
}

Result<Held> Held::decode_more(const snapshot::v1::Snapshot& snapshot,
                               const snapshot::v1::Forwarder& forwarder) {
  Held held(snapshot, forwarder);
  MESH_TRY_VOID(held.add(forwarder.would_hold()));
  return held;
}

Result<void> Held::add(const Resources& resources) {
  config_.generation = forwarder_->generation();
  for (const auto& resource : resources) {
    const auto body = snapshot_->bodies().find(resource.version());
    if (body == snapshot_->bodies().end())
      return Error{Errc::Invalid, "the snapshot has no body of " + resource.name()};
    if (auto added = add(resource.type_url(), resource.name(), body->second); !added)
      return std::move(added).error().during(forwarder_->node() + ": " + resource.name());
  }
  return {};
}

Result<void> Held::add(std::string_view type, const std::string& name, const std::string& body) {
  if (type == xds::kListenerType) {
    MESH_TRY(auto listener, xds::decode_listener(body));
    config_.listeners.push_back(std::move(listener));
    listeners_[name] = xds::origins_of(type, body);
  } else if (type == xds::kClusterType) {
    MESH_TRY(config_.clusters[name], xds::decode_cluster(body));
    clusters_[name] = xds::origins_of(type, body);
  } else if (type == xds::kEndpointType) {
    MESH_TRY(config_.endpoints[name], xds::decode_endpoints(body));
  } else if (type == xds::kRouteType) {
    MESH_TRY(config_.routes[name], xds::decode_route_configuration(body));
    routes_[name] = xds::route_origins(body);
    envoy::config::route::v3::RouteConfiguration config;
    if (config.ParseFromString(body))
      options_[name] = {.ignore_port = config.ignore_port_in_host_matching(),
                        .ignore_path_parameters = config.ignore_path_parameters_in_path_matching()};
  }
  return {};
}

v1::Origin Held::origin(const std::string& text) const {
  v1::Origin out;
  out.set_origin(text);
  if (const auto place = snapshot_->places().find(text); place != snapshot_->places().end())
    out.set_place(place->second);
  return out;
}

v1::Origin Held::find(const xds::Origins& origins, const std::string& key) const {
  const auto found = origins.find(key);
  return found == origins.end() ? v1::Origin() : origin(found->second);
}

v1::Origin Held::listener_origin(const std::string& name, const std::string& key) const {
  const auto found = listeners_.find(name);
  return found == listeners_.end() ? v1::Origin() : find(found->second, key);
}

v1::Origin Held::cluster_origin(const std::string& name, const std::string& key) const {
  const auto found = clusters_.find(name);
  return found == clusters_.end() ? v1::Origin() : find(found->second, key);
}

v1::Origin Held::route_origin(const std::string& table, size_t host, size_t route,
                              const std::string& key) const {
  const auto found = routes_.find(table);
  if (found == routes_.end() || host >= found->second.size() || route >= found->second[host].size())
    return {};
  return find(found->second[host][route], key);
}

route::TableOptions Held::table_options(const std::string& table) const {
  const auto found = options_.find(table);
  return found == options_.end() ? route::TableOptions() : found->second;
}

const xds::ClusterLoadAssignment* Held::assignment(const xds::Cluster& cluster) const {
  if (cluster.load_assignment) return cluster.load_assignment.get();
  const auto found = config_.endpoints.find(
      cluster.eds_service_name.empty() ? cluster.name : cluster.eds_service_name);
  return found == config_.endpoints.end() ? nullptr : found->second.get();
}

EndpointHealth health_of(const snapshot::v1::Forwarder& forwarder, const std::string& cluster,
                         const std::string& address, xds::HealthStatus discovered) {
  for (const auto& known : forwarder.health()) {
    if (known.cluster() != cluster) continue;
    for (const auto& endpoint : known.endpoints())
      if (endpoint.address() == address) return {endpoint.health(), endpoint.flags()};
  }
  switch (discovered) {
    case xds::HealthStatus::Unhealthy:
    case xds::HealthStatus::Timeout: return {"unhealthy", "/failed_eds_health"};
    case xds::HealthStatus::Draining: return {"draining", ""};
    case xds::HealthStatus::Degraded: return {"degraded", "/degraded_eds_health"};
    case xds::HealthStatus::Unknown:
    case xds::HealthStatus::Healthy: break;
  }
  return {"healthy", ""};
}

}  // namespace mesh::explain
