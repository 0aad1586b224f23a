#include "config/kinds.h"

#include <array>
#include <vector>

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

namespace networking = istio::networking::v1alpha3;
namespace security = istio::security::v1beta1;
namespace gateway_api = k8s::gateway::v1;

constexpr std::string_view kNetworking = "networking.istio.io";
constexpr std::string_view kSecurity = "security.istio.io";
constexpr std::string_view kGatewayApi = "gateway.networking.k8s.io";
constexpr std::string_view kTelemetry = "telemetry.istio.io";
constexpr std::string_view kMesh = "mesh";  // kinds of our own

// Kinds that are found beside ours in the YAML of others, and what to use instead.
struct Foreign {
  std::string_view kind;
  std::string_view instead;
};
constexpr Foreign kForeign[] = {
    {"Deployment", "workloads are systemd's; write a WorkloadEntry for each instance"},
    {"EnvoyFilter", "patches of a proxy; see ServicePolicy, RateLimit and MeshConfig"},
    {"GatewayClass", "there is one implementation; leave it out"},
    {"Namespace", "namespaces are made by naming them; leave it out"},
    {"ProxyConfig", "settings of a proxy; use the forwarder's settings file"},
    {"ReferenceGrant", "names of other namespaces need no grant; leave it out"},
    {"Service", "services are declared by a ServiceEntry"},
    {"ServiceAccount", "identities are certd's; name serviceAccount in a WorkloadEntry"},
    {"TCPRoute", "use tcp of a VirtualService"},
    {"TLSRoute", "use tls of a VirtualService"},
    {"TrafficExtension", "plug-ins on the path of requests"},
    {"WasmPlugin", "plug-ins on the path of requests"},
};

// What the group's objects may be written in beside v1; they mean the same.
bool is_version(std::string_view group, std::string_view version) {
  if (version == "v1") return true;
  if (group == kNetworking) return version == "v1beta1" || version == "v1alpha3";
  if (group == kGatewayApi) return version == "v1beta1" || version == "v1alpha2";
  if (group == kTelemetry) return version == "v1alpha1";
  return group == kSecurity && version == "v1beta1";
}

Error unknown_kind(std::string_view word) {
  for (const Foreign& foreign : kForeign)
    if (text::iequals(foreign.kind, word))
      return Error{Errc::NotFound, "not supported: kind " + std::string(foreign.kind) + ": " +
                                       std::string(foreign.instead)};
  std::vector<std::string_view> names;
  for (const Kind& known : kinds()) names.push_back(known.name);
  std::string what = "unknown kind " + text::quoted(word);
  const std::string_view nearest = text::nearest(word, names);
  if (!nearest.empty()) what += "; did you mean " + std::string(nearest) + "?";
  return Error{Errc::NotFound, what};
}

}  // namespace

std::span<const Kind> kinds() {
  static const std::array table{
      Kind{"AuthorizationPolicy", "ap", "authorizationpolicies", kSecurity,
           &security::AuthorizationPolicy::default_instance()},
      Kind{"CircuitBreaker", "cb", "circuitbreakers", kMesh,
           &::mesh::v1::CircuitBreaker::default_instance()},
      Kind{"DestinationRule", "dr", "destinationrules", kNetworking,
           &networking::DestinationRule::default_instance()},
      Kind{"GRPCRoute", "grpcroute", "grpcroutes", kGatewayApi,
           &gateway_api::GRPCRoute::default_instance()},
      Kind{"Gateway", "gw", "gateways", kNetworking, &networking::Gateway::default_instance()},
      Kind{"HTTPRoute", "httproute", "httproutes", kGatewayApi,
           &gateway_api::HTTPRoute::default_instance()},
      Kind{"MeshConfig", "mc", "meshconfigs", kMesh, &::mesh::v1::MeshConfig::default_instance()},
      Kind{"PeerAuthentication", "pa", "peerauthentications", kSecurity,
           &security::PeerAuthentication::default_instance()},
      Kind{"RateLimit", "rl", "ratelimits", kMesh, &::mesh::v1::RateLimit::default_instance()},
      Kind{"RequestAuthentication", "ra", "requestauthentications", kSecurity,
           &security::RequestAuthentication::default_instance()},
      Kind{"ServiceEntry", "se", "serviceentries", kNetworking,
           &networking::ServiceEntry::default_instance()},
      Kind{"ServicePolicy", "sp", "servicepolicies", kMesh,
           &::mesh::v1::ServicePolicy::default_instance()},
      Kind{"Sidecar", "sc", "sidecars", kNetworking, &networking::Sidecar::default_instance()},
      Kind{"Telemetry", "telemetry", "telemetries", kTelemetry,
           &istio::telemetry::v1alpha1::Telemetry::default_instance()},
      Kind{"VirtualService", "vs", "virtualservices", kNetworking,
           &networking::VirtualService::default_instance()},
      Kind{"WorkloadEntry", "we", "workloadentries", kNetworking,
           &networking::WorkloadEntry::default_instance()},
      Kind{"WorkloadGroup", "wg", "workloadgroups", kNetworking,
           &networking::WorkloadGroup::default_instance()},
  };
  return table;
}

Result<const Kind*> find_kind(std::string_view word) {
  for (const Kind& kind : kinds())
    if (text::iequals(word, kind.name) || text::iequals(word, kind.short_name) ||
        text::iequals(word, kind.plural))
      return &kind;
  return unknown_kind(word);
}

Result<const Kind*> find_kind(std::string_view api_version, std::string_view kind) {
  const Kind* found = nullptr;
  for (const Kind& known : kinds())
    if (known.name == kind) found = &known;
  if (found == nullptr) return unknown_kind(kind);
  const size_t slash = api_version.find('/');
  const std::string_view version =
      slash == std::string_view::npos ? "" : api_version.substr(slash + 1);
  if (api_version.substr(0, slash) != found->group || !is_version(found->group, version))
    return Error{Errc::Invalid, "expected " + config::api_version(*found) + " for a " +
                                    std::string(kind) + ", got " + text::quoted(api_version)};
  return found;
}

std::string api_version(const Kind& kind) { return std::string(kind.group) + "/v1"; }

std::string to_string(const Name& name) { return name.kind + "/" + name.ns + "/" + name.name; }

Result<Name> parse_name(std::string_view text) {
  const auto parts = text::split(text, '/');
  if (parts.size() < 2 || parts.size() > 3 || parts.back().empty() || parts[1].empty())
    return Error{Errc::Invalid, "expected KIND/NAMESPACE/NAME, got " + text::quoted(text)};
  MESH_TRY(const Kind* kind, find_kind(parts[0]));
  return Name{std::string(kind->name),
              parts.size() == 3 ? std::string(parts[1]) : std::string("default"),
              std::string(parts.back())};
}

}  // namespace mesh::config
