#include "discovery/compile/tcp.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "base/text.h"
#include "discovery/compile/access_log.h"
#include "discovery/compile/capture.h"
#include "discovery/compile/egress.h"
#include "discovery/compile/filters.h"
#include "discovery/compile/telemetry.h"
#include "discovery/compile/traffic_policy.h"
#include "discovery/compile/tunnel.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/filters/listener/http_inspector/v3/http_inspector.pb.h"
#include "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"

namespace mesh::discovery {
namespace {

namespace pb = envoy::config::listener::v3;
namespace ext = envoy::extensions;
using ext::filters::network::tcp_proxy::v3::TcpProxy;

bool is_tls(std::string_view protocol) { return protocol == "TLS" || protocol == "HTTPS"; }

// One place to listen.
struct Place {
  std::string address;
  uint32_t port = 0;
  bool operator<(const Place& other) const {
    return std::tie(address, port) < std::tie(other.address, other.port);
  }
};

// A service at one of its ports, and the VirtualService that holds for it.
struct Target {
  const Service* service;
  const Port* port;
  const istio::VirtualService* rules = nullptr;
  std::string rules_ns{};
};

bool in_loopback(const std::string& address) {
  return address.starts_with("127.") && address.find('/') == std::string::npos;
}

// Whether the address is within one of the ranges; IPv4 alone, as places are.
template <class Subnets>
bool within(const std::string& address, const Subnets& subnets) {
  if (subnets.empty()) return true;
  const auto number = [](std::string_view ip) {
    uint32_t value = 0;
    for (const auto part : text::split(ip, '.')) {
      const auto piece = text::parse_uint(part, 255);
      value = value << 8 | uint32_t(piece ? *piece : 0);
    }
    return value;
  };
  for (const std::string& subnet : subnets) {
    const size_t slash = subnet.find('/');
    if (subnet.find(':') != std::string::npos) continue;
    uint32_t bits = 32;
    if (slash != std::string::npos)
      if (const auto given = text::parse_uint(std::string_view(subnet).substr(slash + 1), 32))
        bits = uint32_t(*given);
    const uint32_t mask = bits == 0 ? 0 : ~0U << (32 - bits);
    if ((number(address) & mask) == (number(subnet.substr(0, slash)) & mask)) return true;
  }
  return false;
}

template <class Match>
bool holds(const Match& match, const Node& node, const Place& place) {
  if (match.port() != 0 && match.port() != place.port) return false;
  if (!match.source_namespace().empty() && match.source_namespace() != node.ns) return false;
  return for_mesh(match.gateways()) && selects(match.source_labels(), node.labels) &&
         within(place.address, match.destination_subnets());
}

std::string cluster_of(const Model& model, const std::string& ns, const Target& target,
                       const istio::Destination& to) {
  const std::string host = model.resolve(to.host(), ns);
  const uint32_t port = to.has_port() ? to.port().number() : target.port->number;
  return outbound_name(port, to.subset(), host);
}

template <class Destinations>
TcpProxy proxy_to(const Model& model, const Node& node, const Target& target,
                  const Destinations& destinations) {
  TcpProxy proxy;
  if (destinations.size() == 1) {
    const auto& to = destinations[0].destination();
    proxy.set_cluster(cluster_of(model, target.rules_ns, target, to));
    set_tunnel(model, node, model.find_service(model.resolve(to.host(), target.rules_ns), node.ns),
               to.subset(), proxy);
  } else {
    set_tunnel(model, node, target.service, "", proxy);
    for (const auto& one : destinations) {
      if (one.weight() == 0) continue;
      auto& cluster = *proxy.mutable_weighted_clusters()->add_clusters();
      cluster.set_name(cluster_of(model, target.rules_ns, target, one.destination()));
      cluster.set_weight(uint32_t(one.weight()));
    }
  }
  return proxy;
}

void set_idle(const Model& model, const Node& node, const Target& target, TcpProxy& proxy) {
  const auto* rule = model.destination_rule(*target.service, node);
  const auto policy = policy_for(rule, nullptr, target.port->number);
  if (policy.connection_pool().tcp().has_idle_timeout())
    *proxy.mutable_idle_timeout() = policy.connection_pool().tcp().idle_timeout();
}

class Listeners {
 public:
  enum class Kind : uint8_t {
    Own,       // at addresses of this host
    Captured,  // connections come from "virtualOutbound"; nothing is bound
    Egress,    // of a Sidecar
  };
  Listeners(const Model& model, const Node& node, Kind kind)
      : model_(model), node_(node), kind_(kind) {}

  // What begins as HTTP goes by the routes; the rest as add() says.
  void add_http(const Place& place) { built_[place].http = true; }

  // Connections to addresses of the range, at a place that stands for all addresses.
  void add_range(const Place& place, const std::string& range, const Target& target) {
    Built& built = built_[place];
    if (!built.ranges.insert(range).second) return;
    const size_t slash = range.find('/');
    const auto bits = text::parse_uint(std::string_view(range).substr(slash + 1), 128);
    TcpProxy proxy;
    proxy.set_cluster(outbound_name(target.port->number, "", target.service->host));
    set_tunnel(model_, node_, target.service, "", proxy);
    auto& chain = add_chain({}, target, std::move(proxy), built);
    chain.set_name(range);
    auto& prefix = *chain.mutable_filter_chain_match()->add_prefix_ranges();
    prefix.set_address_prefix(range.substr(0, slash));
    prefix.mutable_prefix_len()->set_value(bits ? uint32_t(*bits) : 0);
  }

  void add(const Place& place, const Target& target, bool shared) {
    Built& built = built_[place];
    if (target.rules != nullptr)
      for (const auto& route : target.rules->tls()) add_tls(place, target, route, built);
    if (built.whole) return;
    if (shared && is_tls(target.port->protocol)) {
      TcpProxy proxy;
      proxy.set_cluster(outbound_name(target.port->number, "", target.service->host));
      set_tunnel(model_, node_, target.service, "", proxy);
      return add_names({target.service->host}, target, std::move(proxy), built);
    }
    TcpProxy proxy;
    bool routed = false;
    if (target.rules != nullptr)
      for (const auto& route : target.rules->tcp())
        if (holds_any(place, route)) {
          proxy = proxy_to(model_, node_, target, route.route());
          routed = true;
          break;
        }
    if (!routed) {
      proxy.set_cluster(outbound_name(target.port->number, "", target.service->host));
      set_tunnel(model_, node_, target.service, "", proxy);
    }
    built.whole = true;
    add_chain({}, target, std::move(proxy), built);
  }

  std::vector<Resource> take() {
    std::vector<Resource> result;
    for (auto& [place, built] : built_) {
      if (built.http) add_http_chain(place, built);
      if (built.listener.filter_chains().empty()) continue;
      pb::Listener& listener = built.listener;
      const std::string port = std::to_string(place.port);
      listener.set_name(kind_ == Kind::Own ? "outbound|" + place.address + "|" + port
                                           : place.address + "_" + port);
      listener.set_traffic_direction(envoy::config::core::v3::OUTBOUND);
      set_address(place.address, place.port, *listener.mutable_address());
      if (kind_ == Kind::Captured) set_captured(place, built);
      if (!built.names.empty()) {
        auto& inspector = *listener.add_listener_filters();
        inspector.set_name("envoy.filters.listener.tls_inspector");
        pack(ext::filters::listener::tls_inspector::v3::TlsInspector(),
             *inspector.mutable_typed_config());
        set(std::chrono::seconds(5), *listener.mutable_listener_filters_timeout());
        // A client that waits for the server has no name to give.
        listener.set_continue_on_listener_filters_timeout(built.whole || built.http);
      }
      if (built.http) add_inspector(listener);
      result.push_back(listener_resource(model_, node_, listener));
    }
    return result;
  }

 private:
  struct Built {
    pb::Listener listener;
    std::set<std::string> names;
    std::set<std::string> ranges;
    bool whole = false;  // a chain takes what no name matches
    bool http = false;
  };

  void add_http_chain(const Place& place, Built& built) {
    auto& chain = *built.listener.add_filter_chains();
    chain.set_name("http");
    for (const char* protocol : {"http/1.0", "http/1.1", "h2c"})
      chain.mutable_filter_chain_match()->add_application_protocols(protocol);
    // Routes by port where it is captured: the host alone says which service is meant.
    const std::string port = std::to_string(place.port);
    const std::string routes = kind_ == Kind::Own        ? "outbound"
                               : kind_ == Kind::Captured ? port
                                                         : place.address + "_" + port;
    HttpManager manager = outbound_manager(model_, node_, "outbound_" + place.address + "_" + port);
    manager.mutable_rds()->set_route_config_name(routes);
    set_ads(*manager.mutable_rds()->mutable_config_source());
    auto& filter = *chain.add_filters();
    filter.set_name("envoy.filters.network.http_connection_manager");
    pack(manager, *filter.mutable_typed_config());
  }

  void add_inspector(pb::Listener& listener) const {
    auto& inspector = *listener.add_listener_filters();
    inspector.set_name("envoy.filters.listener.http_inspector");
    pack(ext::filters::listener::http_inspector::v3::HttpInspector(),
         *inspector.mutable_typed_config());
    set(detection_timeout(model_), *listener.mutable_listener_filters_timeout());
    listener.set_continue_on_listener_filters_timeout(true);
  }

  // What no chain takes goes as connections to unknown addresses do.
  void set_captured(const Place& place, Built& built) const {
    built.listener.mutable_bind_to_port()->set_value(false);
    if (place.address == "::")
      built.listener.mutable_address()->mutable_socket_address()->set_ipv4_compat(true);
    if (built.whole) return;
    auto& chain = *built.listener.mutable_default_filter_chain();
    chain.set_name("PassthroughFilterChain");
    add_relay(model_, node_, Direction::Client, unknown_cluster(model_, node_), chain);
  }

  bool holds_any(const Place& place, const istio::TCPRoute& route) const {
    if (route.match().empty()) return true;
    return std::any_of(route.match().begin(), route.match().end(),
                       [&](const auto& match) { return holds(match, node_, place); });
  }

  void add_tls(const Place& place, const Target& target, const istio::TLSRoute& route,
               Built& built) {
    std::vector<std::string> names;
    for (const auto& match : route.match())
      if (holds(match, node_, place))
        names.insert(names.end(), match.sni_hosts().begin(), match.sni_hosts().end());
    if (!names.empty())
      add_names(names, target, proxy_to(model_, node_, target, route.route()), built);
  }

  // A name that an earlier route has stays with it: the first match wins.
  void add_names(const std::vector<std::string>& names, const Target& target, TcpProxy proxy,
                 Built& built) {
    std::vector<std::string> fresh;
    for (const auto& name : names)
      if (built.names.insert(text::to_lower(name)).second) fresh.push_back(text::to_lower(name));
    if (std::find(fresh.begin(), fresh.end(), "*") != fresh.end()) {
      if (!std::exchange(built.whole, true)) add_chain({}, target, std::move(proxy), built);
      return;
    }
    if (!fresh.empty()) add_chain(fresh, target, std::move(proxy), built);
  }

  pb::FilterChain& add_chain(const std::vector<std::string>& names, const Target& target,
                             TcpProxy proxy, Built& built) {
    auto& chain = *built.listener.add_filter_chains();
    chain.set_name(names.empty() ? "tcp" : "sni|" + names.front());
    for (const auto& name : names) chain.mutable_filter_chain_match()->add_server_names(name);
    proxy.set_stat_prefix(outbound_name(target.port->number, "", target.service->host));
    set_idle(model_, node_, target, proxy);
    add_access_log(model_, node_, Direction::Client, *proxy.mutable_access_log());
    auto& filter = *chain.add_filters();
    filter.set_name("envoy.filters.network.tcp_proxy");
    pack(proxy, *filter.mutable_typed_config());
    return chain;
  }

  const Model& model_;
  const Node& node_;
  const Kind kind_;
  std::map<Place, Built> built_;
};

// With the VirtualService that holds for it.
Target target_of(const Model& model, const Node& node, const Service& service, const Port& port) {
  Target target{.service = &service, .port = &port};
  const auto* const rules = model.virtual_service(service.host, service.ns, node);
  if (rules != nullptr) {
    target.rules = &rules->spec;
    target.rules_ns = rules->ns;
  }
  return target;
}

// At its addresses, its ranges, or where all addresses are meant.
void add_captured(const Service& service, const Target& target, const std::string& any,
                  Listeners& listeners) {
  const uint32_t number = target.port->number;
  bool own = false;
  for (const auto& address : service.addresses) {
    if (in_loopback(address)) continue;  // never redirected
    own = true;
    if (address.find('/') != std::string::npos) {
      listeners.add_range({any, number}, address, target);
      continue;
    }
    listeners.add({address, number}, target, false);
    if (!target.port->declared) listeners.add_http({address, number});
  }
  if (own) return;
  listeners.add({any, number}, target, true);
  if (!target.port->declared) listeners.add_http({any, number});
}

}  // namespace

std::vector<Resource> compile_captured_listeners(const Model& model, const Node& node) {
  if (node.capture_outbound.address.empty()) return {};
  std::vector<Resource> result{virtual_outbound(model, node)};
  const std::string any = any_address(node.capture_outbound);
  Listeners listeners(model, node, Listeners::Kind::Captured);
  // On demand too: what came in names its host later, or never.
  for (const auto* service : default_services(model, whole(node))) {
    for (const auto& port : service->ports) {
      if (is_http(port.protocol))
        listeners.add_http({any, port.number});
      else
        add_captured(*service, target_of(model, node, *service, port), any, listeners);
    }
  }
  for (auto& listener : listeners.take()) result.push_back(std::move(listener));
  return result;
}

std::vector<Resource> compile_tcp_listeners(const Model& model, const Node& node) {
  if (node.outbound_tcp.empty()) return {};
  Listeners listeners(model, node, Listeners::Kind::Own);
  for (const auto* service : default_services(model, node)) {
    for (const auto& port : service->ports) {
      if (is_http(port.protocol)) continue;
      const Target target = target_of(model, node, *service, port);
      bool own = false;
      for (const auto& address : service->addresses) {
        if (!in_loopback(address)) continue;
        own = true;
        listeners.add({address, port.number}, target, false);
        if (!port.declared) listeners.add_http({address, port.number});
      }
      if (own) continue;
      listeners.add({node.outbound_tcp, port.number}, target, true);
      if (!port.declared) listeners.add_http({node.outbound_tcp, port.number});
    }
  }
  return listeners.take();
}

std::vector<Resource> compile_egress_tcp_listener(const Model& model, const Node& node,
                                                  const EgressListener& egress) {
  Listeners listeners(model, node, Listeners::Kind::Egress);
  const Place place{egress.bind, egress.port};
  for (const auto* service : egress.services) {
    const Port& port = *service->find_port(egress.port);
    listeners.add(place, target_of(model, node, *service, port), true);
  }
  if (!egress.declared) listeners.add_http(place);
  return listeners.take();
}

}  // namespace mesh::discovery
