#include "discovery/compile/capture.h"

#include <utility>

#include "base/text.h"
#include "discovery/compile/access_log.h"
#include "discovery/compile/telemetry.h"
#include "envoy/extensions/filters/listener/original_dst/v3/original_dst.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "envoy/extensions/upstreams/http/v3/http.pb.h"

namespace mesh::discovery {
namespace {

namespace pb = envoy::config::listener::v3;
namespace ext = envoy::extensions;
using envoy::config::cluster::v3::Cluster;
using Policy = istio::OutboundTrafficPolicy;

constexpr Duration kConnectTimeout = std::chrono::seconds(10);  // Istio's
constexpr Duration kDetectionTimeout = std::chrono::seconds(5);
constexpr const char* kHttpOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

void set_original(Cluster& cluster) {
  cluster.set_type(Cluster::ORIGINAL_DST);
  cluster.set_lb_policy(Cluster::CLUSTER_PROVIDED);
}

// As Istio: no limit of its own, and the protocol that the client speaks.
Cluster passthrough(const char* name) {
  Cluster cluster;
  cluster.set_name(name);
  set_original(cluster);
  set(kConnectTimeout, *cluster.mutable_connect_timeout());
  auto& limits = *cluster.mutable_circuit_breakers()->add_thresholds();
  limits.mutable_max_connections()->set_value(UINT32_MAX);
  limits.mutable_max_pending_requests()->set_value(UINT32_MAX);
  limits.mutable_max_requests()->set_value(UINT32_MAX);
  limits.mutable_max_retries()->set_value(UINT32_MAX);
  ext::upstreams::http::v3::HttpProtocolOptions options;
  options.mutable_use_downstream_protocol_config()->mutable_http_protocol_options();
  options.mutable_use_downstream_protocol_config()->mutable_http2_protocol_options();
  pack(options, (*cluster.mutable_typed_extension_protocol_options())[kHttpOptions]);
  return cluster;
}

// What says of unknown traffic, and the namespace of its object; null: nothing does.
std::pair<const Policy*, std::string> policy_of(const Model& model, const Node& node) {
  const auto* const scope = model.sidecar(node.ns, node.labels);
  if (scope != nullptr && scope->spec.has_outbound_traffic_policy())
    return {&scope->spec.outbound_traffic_policy(), scope->ns};
  const auto* const mesh = model.mesh_config();
  if (mesh == nullptr || !mesh->spec.has_outbound_traffic_policy()) return {};
  return {&mesh->spec.outbound_traffic_policy(), mesh->ns};
}

}  // namespace

bool allows_any(const Model& model, const Node& node) {
  const auto [policy, ns] = policy_of(model, node);
  return policy == nullptr || policy->mode() == Policy::ALLOW_ANY;
}

std::optional<istio::Destination> egress_proxy(const Model& model, const Node& node) {
  const auto [policy, ns] = policy_of(model, node);
  if (policy == nullptr || !policy->has_egress_proxy()) return std::nullopt;
  istio::Destination proxy = policy->egress_proxy();
  proxy.set_host(model.resolve(proxy.host(), ns));
  return proxy;
}

std::string unknown_cluster(const Model& model, const Node& node) {
  if (!allows_any(model, node)) return kBlackHole;
  const auto proxy = egress_proxy(model, node);
  return proxy ? outbound_name(proxy->port().number(), proxy->subset(), proxy->host())
               : kPassthrough;
}

Duration detection_timeout(const Model& model) {
  const auto* const mesh = model.mesh_config();
  if (mesh == nullptr) return kDetectionTimeout;
  const auto& given = mesh->spec.protocol_detection_timeout();
  const Duration timeout = std::chrono::seconds(given.seconds()) + Duration(given.nanos());
  return timeout > Duration::zero() ? timeout : kDetectionTimeout;
}

std::string any_address(const Node::Capture& capture) {
  return capture.address.starts_with('[') ? "::" : "0.0.0.0";
}

uint32_t capture_port(const Node::Capture& capture) {
  const size_t colon = capture.address.rfind(':');
  const auto port = text::parse_uint(std::string_view(capture.address).substr(colon + 1), 65535);
  return port ? uint32_t(*port) : 0;
}

void set_capture(const Node::Capture& capture, pb::Listener& listener) {
  set_address(capture.address, *listener.mutable_address());
  if (any_address(capture) == "::")
    listener.mutable_address()->mutable_socket_address()->set_ipv4_compat(true);
  if (capture.tproxy) listener.mutable_transparent()->set_value(true);
  auto& filter = *listener.add_listener_filters();
  filter.set_name("envoy.filters.listener.original_dst");
  pack(ext::filters::listener::original_dst::v3::OriginalDst(), *filter.mutable_typed_config());
}

void add_relay(const Model& model, const Node& node, Direction direction,
               const std::string& cluster, pb::FilterChain& chain) {
  ext::filters::network::tcp_proxy::v3::TcpProxy proxy;
  proxy.set_stat_prefix(cluster);
  proxy.set_cluster(cluster);
  add_access_log(model, node, direction, *proxy.mutable_access_log());
  auto& filter = *chain.add_filters();
  filter.set_name("envoy.filters.network.tcp_proxy");
  pack(proxy, *filter.mutable_typed_config());
}

void add_black_hole(const Model& model, const Node& node, Direction direction,
                    const std::string& name, pb::Listener& listener) {
  const auto& capture =
      direction == Direction::Client ? node.capture_outbound : node.capture_inbound;
  auto& chain = *listener.add_filter_chains();
  chain.set_name(name);
  chain.mutable_filter_chain_match()->mutable_destination_port()->set_value(capture_port(capture));
  add_relay(model, node, direction, kBlackHole, chain);
}

Resource virtual_outbound(const Model& model, const Node& node) {
  pb::Listener listener;
  listener.set_name("virtualOutbound");
  listener.set_traffic_direction(envoy::config::core::v3::OUTBOUND);
  set_capture(node.capture_outbound, listener);
  listener.mutable_use_original_dst()->set_value(true);
  add_black_hole(model, node, Direction::Client, "virtualOutbound-blackhole", listener);
  auto& chain = *listener.add_filter_chains();
  chain.set_name("virtualOutbound-catchall-tcp");
  add_relay(model, node, Direction::Client, unknown_cluster(model, node), chain);
  return listener_resource(model, node, listener);
}

void set_inbound_original(const Node::Capture& capture, Cluster& cluster) {
  set_original(cluster);
  // One address cannot be of both families.
  if (any_address(capture) == "::") return;
  auto& source = *cluster.mutable_upstream_bind_config()->mutable_source_address();
  source.set_address("127.0.0.6");
  source.set_port_value(0);
}

std::vector<Resource> compile_capture_clusters(const Node& node) {
  std::vector<Resource> result;
  const bool outbound = !node.capture_outbound.address.empty();
  const bool inbound = !node.capture_inbound.address.empty();
  if (outbound) {
    const Cluster cluster = passthrough(kPassthrough);
    result.push_back(resource(cluster.name(), cluster));
  }
  if (outbound || inbound) {
    Cluster cluster;
    cluster.set_name(kBlackHole);
    cluster.set_type(Cluster::STATIC);
    set(kConnectTimeout, *cluster.mutable_connect_timeout());
    cluster.mutable_load_assignment()->set_cluster_name(kBlackHole);
    result.push_back(resource(cluster.name(), cluster));
  }
  if (inbound) {
    Cluster cluster = passthrough(kInboundPassthrough);
    set_inbound_original(node.capture_inbound, cluster);
    result.push_back(resource(cluster.name(), cluster));
  }
  return result;
}

}  // namespace mesh::discovery
