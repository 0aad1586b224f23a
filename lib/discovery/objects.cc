#include "discovery/objects.h"

#include <algorithm>

#include "discovery/delegates.h"
#include "discovery/gateway_api.h"
#include "mesh/config.pb.h"

namespace mesh::discovery {
namespace {

using Message = mesh::config::v1::Object;

template <class Spec>
void add(const Message& message, std::vector<Object<Spec>>& to, const std::string& name,
         std::vector<std::string>& problems) {
  Object<Spec> object;
  if (!message.spec().UnpackTo(&object.spec)) {
    problems.push_back(name + ": does not hold a " + Spec::descriptor()->full_name());
    return;
  }
  object.ns = message.namespace_();
  object.name = message.name();
  object.labels.insert(message.labels().begin(), message.labels().end());
  object.annotations.insert(message.annotations().begin(), message.annotations().end());
  to.push_back(std::move(object));
}

template <class Spec>
void sort(std::vector<Object<Spec>>& objects) {
  std::sort(objects.begin(), objects.end(), [](const auto& a, const auto& b) {
    return std::tie(a.ns, a.name) < std::tie(b.ns, b.name);
  });
}

// Into the list of its kind.
void add_by_kind(const Message& message, Objects& objects, GatewayApiRoutes& routes,
                 const std::string& name, std::vector<std::string>& problems) {
  const std::string& kind = message.kind();
  if (kind == "ServiceEntry") {
    add(message, objects.service_entries, name, problems);
  } else if (kind == "WorkloadEntry") {
    add(message, objects.workload_entries, name, problems);
  } else if (kind == "WorkloadGroup") {
    add(message, objects.workload_groups, name, problems);
  } else if (kind == "HTTPRoute") {
    add(message, routes.http, name, problems);
  } else if (kind == "GRPCRoute") {
    add(message, routes.grpc, name, problems);
  } else if (kind == "Gateway") {
    add(message, objects.gateways, name, problems);
  } else if (kind == "Telemetry") {
    add(message, objects.telemetries, name, problems);
  } else if (kind == "VirtualService") {
    add(message, objects.virtual_services, name, problems);
  } else if (kind == "DestinationRule") {
    add(message, objects.destination_rules, name, problems);
  } else if (kind == "Sidecar") {
    add(message, objects.sidecars, name, problems);
  } else if (kind == "PeerAuthentication") {
    add(message, objects.peer_authentications, name, problems);
  } else if (kind == "AuthorizationPolicy") {
    add(message, objects.authorization_policies, name, problems);
  } else if (kind == "RequestAuthentication") {
    add(message, objects.request_authentications, name, problems);
  } else if (kind == "CircuitBreaker") {
    add(message, objects.circuit_breakers, name, problems);
  } else if (kind == "MeshConfig") {
    add(message, objects.mesh_configs, name, problems);
  } else if (kind == "RateLimit") {
    add(message, objects.rate_limits, name, problems);
  } else if (kind == "ServicePolicy") {
    add(message, objects.service_policies, name, problems);
  } else {
    problems.push_back(name + ": kind " + kind + " is not compiled here");
  }
}

}  // namespace

Objects Objects::parse(std::string generation,
                       const std::map<std::string, std::string, std::less<>>& bodies,
                       std::vector<std::string>& problems) {
  Objects objects;
  objects.generation = std::move(generation);
  GatewayApiRoutes routes;
  auto places = std::make_shared<Provenance>();
  for (const auto& [name, body] : bodies) {
    Message message;
    if (!message.ParseFromString(body)) {
      problems.push_back(name + ": does not parse");
      continue;
    }
    places->add(message);
    add_by_kind(message, objects, routes, name, problems);
  }
  objects.places = std::move(places);
  sort(objects.service_entries);
  sort(objects.workload_entries);
  sort(objects.workload_groups);
  sort(objects.gateways);
  sort(objects.telemetries);
  sort(objects.virtual_services);
  resolve_delegates(objects.virtual_services);
  sort(routes.http);
  sort(routes.grpc);
  add_gateway_api(routes, objects);
  sort(objects.destination_rules);
  sort(objects.sidecars);
  sort(objects.peer_authentications);
  sort(objects.authorization_policies);
  sort(objects.request_authentications);
  sort(objects.circuit_breakers);
  sort(objects.mesh_configs);
  sort(objects.rate_limits);
  sort(objects.service_policies);
  return objects;
}

}  // namespace mesh::discovery
