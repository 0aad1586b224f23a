// Validation of one object by itself: what Istio's validation webhook checks,
// and what our compiler relies on. One file a kind.
#pragma once

#include <google/protobuf/message.h>

#include "config/validate/checker.h"
#include "mesh/config.pb.h"

namespace istio::networking::v1alpha3 {
class DestinationRule;
class Gateway;
class ServiceEntry;
class Sidecar;
class TrafficPolicy;
class VirtualService;
class WorkloadEntry;
class WorkloadGroup;
}  // namespace istio::networking::v1alpha3
namespace istio::security::v1beta1 {
class AuthorizationPolicy;
class PeerAuthentication;
class RequestAuthentication;
}  // namespace istio::security::v1beta1
namespace k8s::gateway::v1 {
class GRPCRoute;
class HTTPRoute;
}  // namespace k8s::gateway::v1
namespace istio::telemetry::v1alpha1 {
class Telemetry;
}  // namespace istio::telemetry::v1alpha1
namespace mesh::v1 {
class CircuitBreaker;
class MeshConfig;
class RateLimit;
class ServicePolicy;
}  // namespace mesh::v1

namespace mesh::config {

// The envelope's names and labels, then the spec by its kind.
void validate(const v1::Object& object, const google::protobuf::Message& spec, Checker& checker);

void validate(const ::istio::networking::v1alpha3::DestinationRule& rule, Checker& checker);
void validate(const ::istio::networking::v1alpha3::Gateway& gateway, Checker& checker);
void validate(const ::istio::networking::v1alpha3::ServiceEntry& service, Checker& checker);
void validate(const ::istio::networking::v1alpha3::Sidecar& sidecar, Checker& checker);
void validate(const ::istio::networking::v1alpha3::VirtualService& service, Checker& checker);
void validate(const ::istio::networking::v1alpha3::WorkloadGroup& group, Checker& checker);
// `object` has the annotations.
void validate(const ::istio::security::v1beta1::AuthorizationPolicy& policy,
              const v1::Object& object, Checker& checker);
void validate(const ::istio::security::v1beta1::PeerAuthentication& policy, Checker& checker);
void validate(const ::istio::security::v1beta1::RequestAuthentication& policy, Checker& checker);
void validate(const ::k8s::gateway::v1::GRPCRoute& route, Checker& checker);
void validate(const ::k8s::gateway::v1::HTTPRoute& route, Checker& checker);
void validate(const ::istio::telemetry::v1alpha1::Telemetry& telemetry, Checker& checker);
void validate(const ::mesh::v1::CircuitBreaker& breaker, Checker& checker);
void validate(const ::mesh::v1::MeshConfig& config, Checker& checker);
void validate(const ::mesh::v1::RateLimit& limit, Checker& checker);
void validate(const ::mesh::v1::ServicePolicy& policy, Checker& checker);
// `path` is "spec", or an endpoint of a ServiceEntry.
void validate(const ::istio::networking::v1alpha3::WorkloadEntry& entry, const std::string& path,
              Checker& checker);

}  // namespace mesh::config
