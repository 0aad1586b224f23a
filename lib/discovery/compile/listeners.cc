#include "envoy/config/listener/v3/listener.pb.h"

#include "base/text.h"
#include "discovery/compile/access_log.h"
#include "discovery/compile/authentication.h"
#include "discovery/compile/authorization.h"
#include "discovery/compile/build.h"
#include "discovery/compile/capture.h"
#include "discovery/compile/connection_limits.h"
#include "discovery/compile/egress.h"
#include "discovery/compile/filters.h"
#include "discovery/compile/gateway.h"
#include "discovery/compile/gateway_tls.h"
#include "discovery/compile/origin.h"
#include "discovery/compile/session_policies.h"
#include "discovery/compile/tcp.h"
#include "discovery/compile/telemetry.h"
#include "discovery/compile/tracing.h"
#include "envoy/extensions/filters/http/cors/v3/cors.pb.h"
#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"
#include "envoy/extensions/filters/http/grpc_stats/v3/grpc_stats.pb.h"
#include "envoy/extensions/filters/http/on_demand/v3/on_demand.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/http/stateful_session/v3/stateful_session.pb.h"
#include "envoy/extensions/filters/listener/http_inspector/v3/http_inspector.pb.h"
#include "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "mesh/xds/v1/proxy_protocol.pb.h"

namespace mesh::discovery {
namespace {

namespace pb = envoy::config::listener::v3;
namespace ext = envoy::extensions;
using Manager = ext::filters::network::http_connection_manager::v3::HttpConnectionManager;
using Mode = istio_security::PeerAuthentication::MutualTLS::Mode;

constexpr const char* kCors = "envoy.filters.http.cors";
constexpr const char* kFault = "envoy.filters.http.fault";
constexpr const char* kRouter = "envoy.filters.http.router";
// How long a peer may take to show whether it speaks TLS.
constexpr Duration kSniffTimeout = std::chrono::seconds(10);

void set_path_normalization(const v1::MeshConfig& mesh, Manager& manager) {
  using Normalization = v1::MeshConfig::PathNormalization;
  const auto wanted = mesh.path_normalization().normalization();
  manager.mutable_normalize_path()->set_value(wanted != Normalization::NONE);
  manager.set_merge_slashes(wanted == Normalization::MERGE_SLASHES ||
                            wanted == Normalization::DECODE_AND_MERGE_SLASHES);
  if (wanted == Normalization::DECODE_AND_MERGE_SLASHES)
    manager.set_path_with_escaped_slashes_action(Manager::UNESCAPE_AND_FORWARD);
}

// Whose requests a connection manager takes.
enum class Takes : uint8_t { Inbound, Outbound, Gateway };

Manager manager_for(const Model& model, const Node& node, std::string stat_prefix, Takes takes) {
  const bool outbound = takes != Takes::Inbound;
  Manager manager;
  const auto* mesh = model.mesh_config();
  const Direction direction = outbound ? Direction::Client : Direction::Server;
  add_tracing(model, node, direction, manager);
  manager.set_stat_prefix(std::move(stat_prefix));
  set_path_normalization(mesh == nullptr ? v1::MeshConfig() : mesh->spec, manager);
  // As Istio: streams may be idle for as long as the route allows.
  manager.mutable_stream_idle_timeout();
  // As Istio: WebSocket passes wherever HTTP is spoken, over HTTP/2 too (RFC 8441).
  manager.add_upgrade_configs()->set_upgrade_type("websocket");
  manager.mutable_http2_protocol_options()->set_allow_connect(true);
  if (takes == Takes::Outbound && node.hosts != nullptr) {
    auto& filter = *manager.add_http_filters();
    filter.set_name("envoy.filters.http.on_demand");
    pack(ext::filters::http::on_demand::v3::OnDemand(), *filter.mutable_typed_config());
  }
  ext::filters::http::grpc_stats::v3::FilterConfig counted;
  counted.set_emit_filter_state(true);
  counted.mutable_stats_for_all_methods()->set_value(true);
  auto& stats = *manager.add_http_filters();
  stats.set_name("envoy.filters.http.grpc_stats");
  pack(counted, *stats.mutable_typed_config());
  if (!outbound) {
    const PolicyTarget target = target_of(model, node);
    add_authentication(model, target, false, manager);
    add_authorization(model, target, manager);
    add_inbound_filters(model, node, manager);
  }
  if (outbound) {
    auto& cors = *manager.add_http_filters();
    cors.set_name(kCors);
    pack(ext::filters::http::cors::v3::Cors(), *cors.mutable_typed_config());
    add_outbound_filters(model, node, manager);
    auto& filter = *manager.add_http_filters();
    filter.set_name(kFault);
    pack(ext::filters::http::fault::v3::HTTPFault(), *filter.mutable_typed_config());
    // Does nothing but on routes of services with sticky sessions.
    auto& sessions = *manager.add_http_filters();
    sessions.set_name(kSessionFilter);
    pack(ext::filters::http::stateful_session::v3::StatefulSession(),
         *sessions.mutable_typed_config());
  }
  auto& router = *manager.add_http_filters();
  router.set_name(kRouter);
  pack(ext::filters::http::router::v3::Router(), *router.mutable_typed_config());
  add_access_log(model, node, direction, *manager.mutable_access_log());
  return manager;
}

Manager inbound_manager(const Model& model, const Node& node, const InboundPort& port) {
  Manager manager = manager_for(
      model, node, "inbound_" + port.bind + "_" + std::to_string(port.port), Takes::Inbound);
  // As Istio: the application learns who called, and who called that.
  manager.set_forward_client_cert_details(Manager::APPEND_FORWARD);
  auto& details = *manager.mutable_set_current_client_cert_details();
  details.mutable_subject()->set_value(true);
  details.set_dns(true);
  details.set_uri(true);
  auto& routes = *manager.mutable_route_config();
  routes.set_name(inbound_name(port));
  auto& host = *routes.add_virtual_hosts();
  host.set_name("inbound|http|" + std::to_string(port.port));
  host.add_domains("*");
  auto& route = *host.add_routes();
  route.set_name("default");
  set_origin("config", port.origin, *route.mutable_metadata());
  route.mutable_match()->set_prefix("/");
  route.mutable_route()->set_cluster(inbound_name(port));
  route.mutable_route()->mutable_timeout();  // the caller's timeout rules
  route.mutable_route()->mutable_max_grpc_timeout();
  return manager;
}

void add_filter(const Model& model, const Node& node, const InboundPort& port,
                pb::FilterChain& chain) {
  add_connection_limits(model, node, port, chain);
  if (!port.http) add_authorization(model, target_of(model, node), chain);
  auto& filter = *chain.add_filters();
  if (port.http) {
    filter.set_name("envoy.filters.network.http_connection_manager");
    pack(inbound_manager(model, node, port), *filter.mutable_typed_config());
    return;
  }
  ext::filters::network::tcp_proxy::v3::TcpProxy proxy;
  proxy.set_stat_prefix(inbound_name(port));
  proxy.set_cluster(inbound_name(port));
  add_access_log(model, node, Direction::Server, *proxy.mutable_access_log());
  filter.set_name("envoy.filters.network.tcp_proxy");
  pack(proxy, *filter.mutable_typed_config());
}

// Ours alone: a stock Envoy has no list of peers.
void add_proxy_protocol(const Node& node, pb::Listener& listener) {
  mesh::xds::v1::ProxyProtocol protocol;
  protocol.mutable_settings();
  for (const auto range : text::split(node.proxy_protocol_peers, ',')) {
    const size_t slash = range.find('/');
    auto& peer = *protocol.add_allowed_peers();
    peer.set_address_prefix(std::string(range.substr(0, slash)));
    const uint32_t most = range.find(':') == std::string_view::npos ? 32 : 128;
    uint32_t bits = most;
    if (slash != std::string_view::npos)
      if (const auto given = text::parse_uint(range.substr(slash + 1), most))
        bits = uint32_t(*given);
    peer.mutable_prefix_len()->set_value(bits);
  }
  auto& filter = *listener.add_listener_filters();
  filter.set_name("mesh.filters.listener.proxy_protocol");
  pack(protocol, *filter.mutable_typed_config());
}

// Which connections a chain is for.
struct Kind {
  bool tls, http;
};

void set_match(const InboundPort& port, Mode mode, Kind kind, pb::FilterChain& chain) {
  auto& match = *chain.mutable_filter_chain_match();
  if (port.captured && port.port != 0) match.mutable_destination_port()->set_value(port.port);
  if (mode != Mode::PeerAuthentication_MutualTLS_Mode_DISABLE)
    match.set_transport_protocol(kind.tls ? "tls" : "raw_buffer");
  std::string name = kind.tls ? "tls" : "plain";
  if (!port.declared && kind.http) {
    // Under TLS by what the client offers (ALPN); peers of ours offer nothing for bytes.
    for (const char* protocol : {"http/1.0", "http/1.1", kind.tls ? "h2" : "h2c"})
      match.add_application_protocols(protocol);
    name += "-http";
  }
  if (match.ByteSizeLong() == 0) chain.clear_filter_chain_match();
  chain.set_name(port.captured ? "0.0.0.0_" + std::to_string(port.port) + "-" + name : name);
}

// Whether the port shows certificates of its own: Istio lets these stand only where the mesh
// has no TLS of its own there.
bool ends_tls(const InboundPort& port, Mode mode) {
  return port.tls != nullptr && mode == Mode::PeerAuthentication_MutualTLS_Mode_DISABLE;
}

// Of a port: under TLS, in clear text, or both; where its protocol is not declared those
// for HTTP and those for the rest.
void add_chains(const Model& model, const Node& node, const InboundPort& port, Mode mode,
                pb::Listener& listener) {
  if (ends_tls(port, mode)) {
    auto& chain = *listener.add_filter_chains();
    set_match(port, Mode::PeerAuthentication_MutualTLS_Mode_STRICT, {true, port.http}, chain);
    add_filter(model, node, port, chain);
    return set_gateway_tls(model.options().trust_domain, *port.tls, port.http,
                           *chain.mutable_transport_socket());
  }
  for (const bool tls : {true, false}) {
    if (mode == (tls ? Mode::PeerAuthentication_MutualTLS_Mode_DISABLE
                     : Mode::PeerAuthentication_MutualTLS_Mode_STRICT))
      continue;
    for (const bool http : {true, false}) {
      if (port.declared && http != port.http) continue;
      auto& chain = *listener.add_filter_chains();
      set_match(port, mode, {tls, http}, chain);
      InboundPort one = port;
      one.http = http;
      add_filter(model, node, one, chain);
      if (tls) set_own_tls(model.options().trust_domain, http, *chain.mutable_transport_socket());
    }
  }
}

template <class Inspector>
void add_inspector(const char* name, pb::Listener& listener) {
  auto& inspector = *listener.add_listener_filters();
  inspector.set_name(name);
  pack(Inspector(), *inspector.mutable_typed_config());
}

void add_inspectors(bool tls, bool http, pb::Listener& listener) {
  if (tls)
    add_inspector<ext::filters::listener::tls_inspector::v3::TlsInspector>(
        "envoy.filters.listener.tls_inspector", listener);
  if (http)
    add_inspector<ext::filters::listener::http_inspector::v3::HttpInspector>(
        "envoy.filters.listener.http_inspector", listener);
}

Resource inbound_listener(const Model& model, const Node& node, const InboundPort& port,
                          Mode mode) {
  pb::Listener listener;
  listener.set_name("inbound|" + port.bind + "|" + std::to_string(port.port));
  listener.set_traffic_direction(envoy::config::core::v3::INBOUND);
  set_address(port.bind, port.port, *listener.mutable_address());
  set_origin("config", port.origin, *listener.mutable_metadata());
  if (const auto* const rule = model.peer_rule(*model.workload_of(node), port.port).object)
    set_origin("mtls", origin_of("PeerAuthentication", rule->ns, rule->name),
               *listener.mutable_metadata());
  if (!node.proxy_protocol_peers.empty()) add_proxy_protocol(node, listener);
  const bool own = ends_tls(port, mode);
  const bool may_be_tls = own || mode != Mode::PeerAuthentication_MutualTLS_Mode_DISABLE;
  const bool may_be_plain = !own && mode != Mode::PeerAuthentication_MutualTLS_Mode_STRICT;
  add_inspectors(may_be_tls, !port.declared && may_be_plain, listener);
  if (may_be_tls || !port.declared) {
    set(port.declared ? kSniffTimeout : detection_timeout(model),
        *listener.mutable_listener_filters_timeout());
    // A client of a protocol in which the server speaks first says nothing, in clear
    // text at least.
    listener.set_continue_on_listener_filters_timeout(!port.http && may_be_plain);
  }
  add_chains(model, node, port, mode, listener);
  return listener_resource(model, node, listener);
}

// All captured ports, told apart by where connections were going; what goes elsewhere passes
// through under the workload's mode.
Resource virtual_inbound(const Model& model, const Node& node) {
  pb::Listener listener;
  listener.set_name("virtualInbound");
  listener.set_traffic_direction(envoy::config::core::v3::INBOUND);
  set_capture(node.capture_inbound, listener);
  Workload nobody;
  nobody.ns = node.ns;
  nobody.labels = node.labels;
  const Workload* const own = model.workload_of(node);
  const Workload& workload = own != nullptr ? *own : nobody;
  add_inspectors(true, true, listener);
  set(detection_timeout(model), *listener.mutable_listener_filters_timeout());
  listener.set_continue_on_listener_filters_timeout(true);
  add_black_hole(model, node, Direction::Server, "virtualInbound-blackhole", listener);
  for (const auto& port : inbound_ports(model, node))
    if (port.captured)
      add_chains(model, node, port, model.peer_mode(workload, port.port), listener);
  InboundPort others;
  others.http = others.declared = false;
  others.captured = true;
  add_chains(model, node, others, model.peer_mode(workload, 0), listener);
  return listener_resource(model, node, listener);
}

// Requests alone, by the routes of its name. `address`: ADDRESS:PORT or a path.
Resource outbound_listener(const Model& model, const Node& node, const std::string& name,
                           const std::string& address, const std::string& origin) {
  pb::Listener listener;
  listener.set_name(name);
  listener.set_traffic_direction(envoy::config::core::v3::OUTBOUND);
  set_address(address, *listener.mutable_address());
  if (listener.address().has_pipe())
    listener.mutable_address()->mutable_pipe()->set_mode(node.outbound_mode);
  if (!origin.empty()) set_origin("config", origin, *listener.mutable_metadata());
  Manager manager = outbound_manager(model, node, name);
  manager.mutable_rds()->set_route_config_name(name);
  set_ads(*manager.mutable_rds()->mutable_config_source());
  auto& chain = *listener.add_filter_chains();
  chain.set_name(name);
  auto& filter = *chain.add_filters();
  filter.set_name("envoy.filters.network.http_connection_manager");
  pack(manager, *filter.mutable_typed_config());
  return listener_resource(model, node, listener);
}

std::string address_of(const EgressListener& egress) {
  if (egress.port == 0) return egress.bind;
  const bool v6 = egress.bind.find(':') != std::string::npos;
  return (v6 ? "[" + egress.bind + "]" : egress.bind) + ":" + std::to_string(egress.port);
}

}  // namespace

HttpManager outbound_manager(const Model& model, const Node& node, std::string stat_prefix) {
  return manager_for(model, node, std::move(stat_prefix), Takes::Outbound);
}

HttpManager gateway_manager(const Model& model, const Node& node, std::string stat_prefix) {
  return manager_for(model, node, std::move(stat_prefix), Takes::Gateway);
}

std::vector<Resource> compile_outbound_listeners(const Model& model, const Node& node) {
  std::vector<Resource> result;
  if (!node.outbound.empty())
    result.push_back(outbound_listener(model, node, "outbound", node.outbound, ""));
  for (const auto& egress : egress_listeners(model, node)) {
    if (egress.http)
      result.push_back(
          outbound_listener(model, node, egress.name, address_of(egress), egress.origin));
    else
      for (auto& listener : compile_egress_tcp_listener(model, node, egress))
        result.push_back(std::move(listener));
  }
  for (auto& listener : compile_tcp_listeners(model, node)) result.push_back(std::move(listener));
  for (auto& listener : compile_gateway_listeners(model, node))
    result.push_back(std::move(listener));
  for (auto& listener : compile_captured_listeners(model, node))
    result.push_back(std::move(listener));
  return result;
}

std::vector<Resource> compile_inbound_listeners(const Model& model, const Node& node) {
  std::vector<Resource> result;
  if (!node.capture_inbound.address.empty()) result.push_back(virtual_inbound(model, node));
  const Workload* workload = model.workload_of(node);
  for (const auto& port : inbound_ports(model, node))
    if (!port.captured)
      result.push_back(inbound_listener(model, node, port, model.peer_mode(*workload, port.port)));
  return result;
}

std::vector<Resource> compile_listeners(const Model& model, const Node& node) {
  auto result = compile_outbound_listeners(model, node);
  for (auto& one : compile_inbound_listeners(model, node)) result.push_back(std::move(one));
  return result;
}

}  // namespace mesh::discovery
