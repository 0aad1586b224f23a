// Objects: the accepted configuration, unpacked, one list a kind.
//
// A value: built from the serialized mesh.config.v1.Object messages of one
// generation and never changed. Lists are in order of namespace and name, so
// that what is compiled from them does not depend on the order of arrival.
// Generations share the objects that are the same in both.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "discovery/object_list.h"
#include "discovery/provenance.h"
#include "discovery/workload.h"
#include "istio/networking/v1alpha3/destination_rule.pb.h"
#include "istio/networking/v1alpha3/gateway.pb.h"
#include "istio/networking/v1alpha3/service_entry.pb.h"
#include "istio/networking/v1alpha3/sidecar.pb.h"
#include "istio/networking/v1alpha3/virtual_service.pb.h"
#include "istio/networking/v1alpha3/workload_entry.pb.h"
#include "istio/networking/v1alpha3/workload_group.pb.h"
#include "istio/security/v1beta1/authorization_policy.pb.h"
#include "istio/security/v1beta1/peer_authentication.pb.h"
#include "istio/security/v1beta1/request_authentication.pb.h"
#include "istio/telemetry/v1alpha1/telemetry.pb.h"
#include "k8s/gateway/v1/grpc_route.pb.h"
#include "k8s/gateway/v1/http_route.pb.h"
#include "mesh/v1/circuit_breaker.pb.h"
#include "mesh/v1/mesh_config.pb.h"
#include "mesh/v1/rate_limit.pb.h"
#include "mesh/v1/service_policy.pb.h"

namespace mesh::discovery {

namespace istio = ::istio::networking::v1alpha3;
namespace istio_telemetry = ::istio::telemetry::v1alpha1;
namespace istio_security = ::istio::security::v1beta1;
namespace gateway_api = ::k8s::gateway::v1;

// Kept as the instance that it declares: there are more of these than of all else.
template <>
struct Object<istio::WorkloadEntry> : Workload {};

// What the entry declares; a label of its object counts where it has none of that name
// (Istio, "WorkloadEntry").
Workload declared_by(const istio::WorkloadEntry& entry, std::string ns, std::string name,
                     const std::map<std::string, std::string>& object_labels);

struct Objects {
  std::string generation;
  std::shared_ptr<const Provenance> places = std::make_shared<const Provenance>();
  List<istio::ServiceEntry> service_entries;
  List<istio::WorkloadEntry> workload_entries;
  List<istio::VirtualService> virtual_services;
  List<istio::DestinationRule> destination_rules;
  List<istio::WorkloadGroup> workload_groups;
  List<istio::Gateway> gateways;
  List<istio::Sidecar> sidecars;
  List<istio_telemetry::Telemetry> telemetries;
  List<istio_security::PeerAuthentication> peer_authentications;
  List<istio_security::AuthorizationPolicy> authorization_policies;
  List<istio_security::RequestAuthentication> request_authentications;
  List<v1::CircuitBreaker> circuit_breakers;
  List<v1::MeshConfig> mesh_configs;
  List<v1::RateLimit> rate_limits;
  List<v1::ServicePolicy> service_policies;

  // `bodies` by the resource's name, KIND/NAMESPACE/NAME. What does not parse
  // or is of a kind that is not compiled is left out and named in `problems`.
  using Bodies = std::map<std::string, std::string, std::less<>>;
  static Objects parse(std::string generation, const Bodies& bodies,
                       std::vector<std::string>& problems);
};

struct GatewayApiRoutes {
  List<gateway_api::HTTPRoute> http;
  List<gateway_api::GRPCRoute> grpc;
};

// Objects::parse() of one generation after the other, at the cost of what is different. A
// value: a copy goes on by itself, and shares what is the same.
class ObjectReader {
 public:
  using Names = std::set<std::string, std::less<>>;

  // `changed`: the names of what is not as at the call before; at the first call, all.
  // `bodies` has those of them that exist. `problems` are those of the whole.
  Objects read(std::string generation, const Objects::Bodies& bodies, const Names& changed,
               std::vector<std::string>& problems);
  // Of the last generation, without what is left out.
  size_t size() const { return places_.size(); }
  bool has(std::string_view name) const { return places_.has(name); }

 private:
  Objects objects_;  // as they are written
  GatewayApiRoutes routes_;
  Provenance places_;
  std::map<std::string, std::string, std::less<>> problems_;  // by name
};

}  // namespace mesh::discovery
