#include "config/validate/validate.h"

#include "base/text.h"
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

namespace mesh::config {
namespace {

// Calls validate(T) when the spec is a T.
template <class T>
bool validate_as(const google::protobuf::Message& spec, Checker& checker) {
  const auto* typed = dynamic_cast<const T*>(&spec);
  if (typed != nullptr) validate(*typed, checker);
  return typed != nullptr;
}

}  // namespace

void validate(const v1::Object& object, const google::protobuf::Message& spec, Checker& checker) {
  namespace networking = ::istio::networking::v1alpha3;
  if (object.name().empty())
    checker.fail("metadata.name", "expected a name");
  else
    checker.dns_name("metadata.name", object.name());
  checker.label_name("metadata.namespace", object.namespace_());
  checker.labels("metadata.labels", object.labels());
  if (const auto* entry = dynamic_cast<const networking::WorkloadEntry*>(&spec); entry != nullptr)
    return validate(*entry, "spec", checker);
  using ::istio::security::v1beta1::AuthorizationPolicy;
  if (const auto* policy = dynamic_cast<const AuthorizationPolicy*>(&spec); policy != nullptr)
    return validate(*policy, object, checker);
  checker.expect(!object.annotations().contains("istio.io/dry-run"), "metadata.annotations",
                 "istio.io/dry-run is for an AuthorizationPolicy alone");
  const bool known =
      validate_as<networking::VirtualService>(spec, checker) ||
      validate_as<networking::DestinationRule>(spec, checker) ||
      validate_as<networking::ServiceEntry>(spec, checker) ||
      validate_as<networking::Sidecar>(spec, checker) ||
      validate_as<networking::WorkloadGroup>(spec, checker) ||
      validate_as<networking::Gateway>(spec, checker) ||
      validate_as<::istio::security::v1beta1::PeerAuthentication>(spec, checker) ||
      validate_as<::istio::security::v1beta1::RequestAuthentication>(spec, checker) ||
      validate_as<::k8s::gateway::v1::GRPCRoute>(spec, checker) ||
      validate_as<::k8s::gateway::v1::HTTPRoute>(spec, checker) ||
      validate_as<::istio::telemetry::v1alpha1::Telemetry>(spec, checker) ||
      validate_as<::mesh::v1::CircuitBreaker>(spec, checker) ||
      validate_as<::mesh::v1::MeshConfig>(spec, checker) ||
      validate_as<::mesh::v1::RateLimit>(spec, checker) ||
      validate_as<::mesh::v1::ServicePolicy>(spec, checker);
  MESH_CHECK(known);  // every kind of kinds.cc has its validator
}

}  // namespace mesh::config
