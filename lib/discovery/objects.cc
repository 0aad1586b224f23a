#include "discovery/objects.h"

#include "base/text.h"
#include "discovery/delegates.h"
#include "discovery/gateway_api.h"
#include "mesh/config.pb.h"

namespace mesh::discovery {
namespace {

using Message = mesh::config::v1::Object;

// Calls use(list) with the list of the kind; false where it has none.
template <class Use>
bool with_list(std::string_view kind, Objects& objects, GatewayApiRoutes& routes, Use use) {
  if (kind == "ServiceEntry") return use(objects.service_entries), true;
  if (kind == "WorkloadEntry") return use(objects.workload_entries), true;
  if (kind == "WorkloadGroup") return use(objects.workload_groups), true;
  if (kind == "HTTPRoute") return use(routes.http), true;
  if (kind == "GRPCRoute") return use(routes.grpc), true;
  if (kind == "Gateway") return use(objects.gateways), true;
  if (kind == "Telemetry") return use(objects.telemetries), true;
  if (kind == "VirtualService") return use(objects.virtual_services), true;
  if (kind == "DestinationRule") return use(objects.destination_rules), true;
  if (kind == "Sidecar") return use(objects.sidecars), true;
  if (kind == "PeerAuthentication") return use(objects.peer_authentications), true;
  if (kind == "AuthorizationPolicy") return use(objects.authorization_policies), true;
  if (kind == "RequestAuthentication") return use(objects.request_authentications), true;
  if (kind == "CircuitBreaker") return use(objects.circuit_breakers), true;
  if (kind == "MeshConfig") return use(objects.mesh_configs), true;
  if (kind == "RateLimit") return use(objects.rate_limits), true;
  if (kind == "ServicePolicy") return use(objects.service_policies), true;
  return false;
}

std::string no_spec(const google::protobuf::Descriptor& kind) {
  return "does not hold a " + kind.full_name();
}

// What is wrong, or "".
template <class Spec>
std::string put(const Message& message, List<Spec>& to) {
  Object<Spec> object;
  if (!message.spec().UnpackTo(&object.spec)) return no_spec(*Spec::descriptor());
  object.ns = message.namespace_();
  object.name = message.name();
  object.labels.insert(message.labels().begin(), message.labels().end());
  object.annotations.insert(message.annotations().begin(), message.annotations().end());
  to.put(std::move(object));
  return {};
}

std::string put(const Message& message, List<istio::WorkloadEntry>& to) {
  istio::WorkloadEntry entry;
  if (!message.spec().UnpackTo(&entry)) return no_spec(*entry.GetDescriptor());
  Object<istio::WorkloadEntry> object{
      declared_by(entry, message.namespace_(), message.name(),
                  {message.labels().begin(), message.labels().end()})};
  // Who has the name before ours is mostly of the same service.
  if (const auto* neighbor = to.before(object.ns, object.name)) {
    object.labels.share(neighbor->labels);
    object.ports.share(neighbor->ports);
  }
  to.put(std::move(object));
  return {};
}

}  // namespace

Workload declared_by(const istio::WorkloadEntry& entry, std::string ns, std::string name,
                     const std::map<std::string, std::string>& object_labels) {
  Workload workload;
  workload.ns = std::move(ns);
  workload.name = std::move(name);
  workload.address = entry.address();
  workload.ports.insert(entry.ports().begin(), entry.ports().end());
  Labels labels(entry.labels().begin(), entry.labels().end());
  labels.insert(object_labels.begin(), object_labels.end());
  workload.labels = std::move(labels);
  workload.locality = entry.locality();
  workload.weight = entry.weight() == 0 ? 1 : entry.weight();
  workload.service_account = entry.service_account();
  return workload;
}

Objects ObjectReader::read(std::string generation, const Objects::Bodies& bodies,
                           const Names& changed, std::vector<std::string>& problems) {
  for (const std::string& name : changed) {
    const auto parts = text::split(name, '/');
    if (parts.size() == 3) {
      with_list(parts[0], objects_, routes_, [&](auto& list) { list.remove(parts[1], parts[2]); });
      places_.remove(name);
    }
    problems_.erase(name);
    const auto body = bodies.find(name);
    if (body == bodies.end()) continue;
    Message message;
    std::string wrong;
    if (!message.ParseFromString(body->second))
      wrong = "does not parse";
    else if (origin_of(message.kind(), message.namespace_(), message.name()) != name)
      wrong = "holds another object";
    else if (!with_list(message.kind(), objects_, routes_,
                        [&](auto& list) { wrong = put(message, list); }))
      wrong = "kind " + message.kind() + " is not compiled here";
    if (wrong.empty())
      places_.add(message);
    else
      problems_[name] = name + ": " + wrong;
  }
  for (const auto& [name, problem] : problems_) problems.push_back(problem);
  Objects objects = objects_;
  objects.generation = std::move(generation);
  objects.places = std::make_shared<const Provenance>(places_);
  resolve_delegates(objects.virtual_services);
  add_gateway_api(routes_, objects);
  return objects;
}

Objects Objects::parse(std::string generation, const Bodies& bodies,
                       std::vector<std::string>& problems) {
  ObjectReader::Names names;
  for (const auto& [name, body] : bodies) names.insert(names.end(), name);
  return ObjectReader().read(std::move(generation), bodies, names, problems);
}

}  // namespace mesh::discovery
