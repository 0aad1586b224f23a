// Objects: the accepted configuration, unpacked, one list a kind.
//
// A value: built from the serialized mesh.config.v1.Object messages of one
// generation and never changed. Lists are in order of namespace and name, so
// that what is compiled from them does not depend on the order of arrival.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "discovery/provenance.h"
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
#include "mesh/v1/circuit_breaker.pb.h"
#include "mesh/v1/mesh_config.pb.h"
#include "mesh/v1/rate_limit.pb.h"
#include "mesh/v1/service_policy.pb.h"

namespace mesh::discovery {

namespace istio = ::istio::networking::v1alpha3;
namespace istio_telemetry = ::istio::telemetry::v1alpha1;
namespace istio_security = ::istio::security::v1beta1;

// What a rule was written as, where that is not the object's own list item of the
// same index: an HTTP route that came from a delegate, or an object of another kind.
// In the words of discovery/provenance.h.
struct RuleOrigin {
  std::string rule;                              // "VirtualService/default/leaf http[2]"
  std::vector<std::string> matches;              // of each match
  std::map<std::string, std::string> elsewhere;  // fields that others set, and who: "timeout"
};

// One object: what it is called, and what it says.
template <class Spec>
struct Object {
  std::string ns;
  std::string name;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
  Spec spec;
  std::vector<RuleOrigin> origins = {};  // of spec.http[]; empty: its own
};

struct Objects {
  std::string generation;
  std::shared_ptr<const Provenance> places = std::make_shared<const Provenance>();
  std::vector<Object<istio::ServiceEntry>> service_entries;
  std::vector<Object<istio::WorkloadEntry>> workload_entries;
  std::vector<Object<istio::VirtualService>> virtual_services;
  std::vector<Object<istio::DestinationRule>> destination_rules;
  std::vector<Object<istio::WorkloadGroup>> workload_groups;
  std::vector<Object<istio::Gateway>> gateways;
  std::vector<Object<istio::Sidecar>> sidecars;
  std::vector<Object<istio_telemetry::Telemetry>> telemetries;
  std::vector<Object<istio_security::PeerAuthentication>> peer_authentications;
  std::vector<Object<istio_security::AuthorizationPolicy>> authorization_policies;
  std::vector<Object<istio_security::RequestAuthentication>> request_authentications;
  std::vector<Object<v1::CircuitBreaker>> circuit_breakers;
  std::vector<Object<v1::MeshConfig>> mesh_configs;
  std::vector<Object<v1::RateLimit>> rate_limits;
  std::vector<Object<v1::ServicePolicy>> service_policies;

  // `bodies` by the resource's name, KIND/NAMESPACE/NAME. What does not parse
  // or is of a kind that is not compiled is left out and named in `problems`.
  static Objects parse(std::string generation,
                       const std::map<std::string, std::string, std::less<>>& bodies,
                       std::vector<std::string>& problems);
};

}  // namespace mesh::discovery
