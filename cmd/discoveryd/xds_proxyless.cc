#include "cmd/discoveryd/xds_proxyless.h"

#include <algorithm>
#include <utility>

#include "discovery/compile/build.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "xds/decode.h"

namespace mesh::discoveryd {
namespace {

namespace v3 = envoy::config;
namespace tls = envoy::extensions::transport_sockets::tls::v3;
using envoy::extensions::filters::http::fault::v3::HTTPFault;
using v3::cluster::v3::Cluster;
using v3::endpoint::v3::ClusterLoadAssignment;
using v3::route::v3::Route;
using v3::route::v3::RouteMatch;
using v3::route::v3::VirtualHost;

constexpr const char* kProvider = "default";  // of certificates, in the client's bootstrap
constexpr const char* kFault = "envoy.filters.http.fault";

// ---- Clusters

// Nothing of a provider where the context is none of the mesh's own.
void use_provider(tls::CommonTlsContext& common) {
  if (common.tls_certificate_sds_secret_configs_size() == 0 ||
      common.tls_certificate_sds_secret_configs(0).name() != "default")
    return;
  tls::CommonTlsContext ours;
  ours.mutable_tls_certificate_provider_instance()->set_instance_name(kProvider);
  auto& validation =
      *ours.mutable_combined_validation_context()->mutable_default_validation_context();
  validation.mutable_ca_certificate_provider_instance()->set_instance_name(kProvider);
  const auto& names = common.combined_validation_context().default_validation_context();
  for (const auto& name : names.match_typed_subject_alt_names())
    *validation.add_match_subject_alt_names() = name.matcher();
  common = std::move(ours);
}

void adapt(Cluster& cluster) {
  cluster.clear_transport_socket_matches();
  if (tls::UpstreamTlsContext context;
      cluster.transport_socket().typed_config().UnpackTo(&context)) {
    use_provider(*context.mutable_common_tls_context());
    cluster.mutable_transport_socket()->mutable_typed_config()->PackFrom(context);
  }
  // Of the policies gRPC has three.
  if (cluster.lb_policy() == Cluster::RANDOM) cluster.set_lb_policy(Cluster::ROUND_ROBIN);
  if (cluster.lb_policy() == Cluster::MAGLEV) cluster.set_lb_policy(Cluster::RING_HASH);
}

// A locality without a weight is passed over, one without a name is refused.
void adapt(ClusterLoadAssignment& assignment) {
  for (auto& locality : *assignment.mutable_endpoints()) {
    locality.mutable_locality();
    if (locality.has_load_balancing_weight()) continue;
    uint32_t weight = 0;
    for (const auto& endpoint : locality.lb_endpoints())
      weight += endpoint.has_load_balancing_weight() ? endpoint.load_balancing_weight().value() : 1;
    locality.mutable_load_balancing_weight()->set_value(std::max(weight, 1U));
  }
}

template <class Resource>
std::string adapted(const std::string& body) {
  Resource resource;
  if (!resource.ParseFromString(body)) return body;
  adapt(resource);
  return resource.SerializeAsString();
}

// ---- Routes

std::string quoted(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("\\.+*?()|[]{}^$").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

// Faults alone are known to every client, what is not known is refused.
template <class Message>
void keep_faults(Message& message) {
  auto& filters = *message.mutable_typed_per_filter_config();
  for (auto at = filters.begin(); at != filters.end();)
    at = at->second.template Is<HTTPFault>() ? std::next(at) : filters.erase(at);
}

// False: gRPC has nothing for it.
bool adapt(Route& route) {
  RouteMatch& match = *route.mutable_match();
  if (!match.path_separated_prefix().empty()) {
    const std::string prefix = quoted(match.path_separated_prefix());
    match.mutable_safe_regex()->set_regex(prefix + "(/.*)?");
  }
  switch (match.path_specifier_case()) {
    case RouteMatch::kPrefix:
    case RouteMatch::kPath:
    case RouteMatch::kSafeRegex: break;
    default: return false;
  }
  keep_faults(route);
  if (!route.has_route()) return true;
  auto& action = *route.mutable_route();
  if (action.has_weighted_clusters())
    for (auto& cluster : *action.mutable_weighted_clusters()->mutable_clusters())
      keep_faults(cluster);
  // The time of a call is that of its stream.
  if (action.has_timeout() && (action.timeout().seconds() > 0 || action.timeout().nanos() > 0))
    *action.mutable_max_stream_duration()->mutable_max_stream_duration() = action.timeout();
  if (action.has_retry_policy() && action.retry_policy().has_num_retries() &&
      action.retry_policy().num_retries().value() == 0)
    action.clear_retry_policy();
  return true;
}

VirtualHost adapted(const VirtualHost& original) {
  VirtualHost host = original;
  host.clear_domains();
  *host.add_domains() = std::string(1, '*');  // the listener is that of the host already
  keep_faults(host);
  host.clear_routes();
  for (Route route : original.routes())
    if (adapt(route)) *host.add_routes() = std::move(route);
  return host;
}

discovery::Resource listener(const std::string& name, const VirtualHost& host) {
  envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager manager;
  auto& routes = *manager.mutable_route_config();
  routes.set_name(name);
  *routes.add_virtual_hosts() = host;
  auto& fault = *manager.add_http_filters();
  fault.set_name(kFault);
  fault.mutable_typed_config()->PackFrom(HTTPFault::default_instance());
  auto& router = *manager.add_http_filters();
  router.set_name("envoy.filters.http.router");
  router.mutable_typed_config()->PackFrom(
      envoy::extensions::filters::http::router::v3::Router::default_instance());
  v3::listener::v3::Listener message;
  message.set_name(name);
  message.mutable_api_listener()->mutable_api_listener()->PackFrom(manager);
  return discovery::resource(name, message);
}

}  // namespace

bool is_proxyless(const v3::core::v3::Node& node) {
  return std::string_view(node.user_agent_name()).starts_with("gRPC ");
}

std::string for_grpc(std::string_view type_url, const std::string& body) {
  if (type_url == xds::kClusterType) return adapted<Cluster>(body);
  if (type_url == xds::kEndpointType) return adapted<ClusterLoadAssignment>(body);
  return body;
}

std::map<std::string, discovery::Resource> grpc_listeners(
    const std::string& routes, const std::function<bool(const std::string&)>& wanted) {
  std::map<std::string, discovery::Resource> result;
  v3::route::v3::RouteConfiguration message;
  if (!message.ParseFromString(routes)) return result;
  for (const auto& host : message.virtual_hosts()) {
    for (const auto& domain : host.domains())
      if (wanted(domain)) result.try_emplace(domain, listener(domain, adapted(host)));
  }
  return result;
}

}  // namespace mesh::discoveryd
