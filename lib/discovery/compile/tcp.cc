#include "discovery/compile/tcp.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "base/text.h"
#include "discovery/compile/access_log.h"
#include "discovery/compile/traffic_policy.h"
#include "envoy/config/listener/v3/listener.pb.h"
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
TcpProxy proxy_to(const Model& model, const Target& target, const Destinations& destinations) {
  TcpProxy proxy;
  if (destinations.size() == 1) {
    proxy.set_cluster(cluster_of(model, target.rules_ns, target, destinations[0].destination()));
  } else {
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
  const auto* rule = model.destination_rule(*target.service, node.ns);
  const auto policy = policy_for(rule, nullptr, target.port->number);
  if (policy.connection_pool().tcp().has_idle_timeout())
    *proxy.mutable_idle_timeout() = policy.connection_pool().tcp().idle_timeout();
}

class Listeners {
 public:
  Listeners(const Model& model, const Node& node) : model_(model), node_(node) {}

  void add(const Place& place, const Target& target, bool shared) {
    Built& built = built_[place];
    if (target.rules != nullptr)
      for (const auto& route : target.rules->tls()) add_tls(place, target, route, built);
    if (built.whole) return;
    if (shared && is_tls(target.port->protocol)) {
      TcpProxy proxy;
      proxy.set_cluster(outbound_name(target.port->number, "", target.service->host));
      return add_names({target.service->host}, target, std::move(proxy), built);
    }
    TcpProxy proxy;
    proxy.set_cluster(outbound_name(target.port->number, "", target.service->host));
    if (target.rules != nullptr)
      for (const auto& route : target.rules->tcp())
        if (holds_any(place, route)) {
          proxy = proxy_to(model_, target, route.route());
          break;
        }
    built.whole = true;
    add_chain({}, target, std::move(proxy), built);
  }

  std::vector<Resource> take() {
    std::vector<Resource> result;
    for (auto& [place, built] : built_) {
      if (built.listener.filter_chains().empty()) continue;
      pb::Listener& listener = built.listener;
      listener.set_name("outbound|" + place.address + "|" + std::to_string(place.port));
      listener.set_traffic_direction(envoy::config::core::v3::OUTBOUND);
      set_address(place.address, place.port, *listener.mutable_address());
      if (!built.names.empty()) {
        auto& inspector = *listener.add_listener_filters();
        inspector.set_name("envoy.filters.listener.tls_inspector");
        pack(ext::filters::listener::tls_inspector::v3::TlsInspector(),
             *inspector.mutable_typed_config());
        set(std::chrono::seconds(5), *listener.mutable_listener_filters_timeout());
        // A client that waits for the server has no name to give.
        listener.set_continue_on_listener_filters_timeout(built.whole);
      }
      result.push_back(resource(listener.name(), listener));
    }
    return result;
  }

 private:
  struct Built {
    pb::Listener listener;
    std::set<std::string> names;
    bool whole = false;  // a chain takes what no name matches
  };

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
    if (!names.empty()) add_names(names, target, proxy_to(model_, target, route.route()), built);
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

  void add_chain(const std::vector<std::string>& names, const Target& target, TcpProxy proxy,
                 Built& built) {
    auto& chain = *built.listener.add_filter_chains();
    chain.set_name(names.empty() ? "tcp" : "sni|" + names.front());
    for (const auto& name : names) chain.mutable_filter_chain_match()->add_server_names(name);
    proxy.set_stat_prefix(outbound_name(target.port->number, "", target.service->host));
    set_idle(model_, node_, target, proxy);
    add_access_log(model_, node_, Direction::Client, *proxy.mutable_access_log());
    auto& filter = *chain.add_filters();
    filter.set_name("envoy.filters.network.tcp_proxy");
    pack(proxy, *filter.mutable_typed_config());
  }

  const Model& model_;
  const Node& node_;
  std::map<Place, Built> built_;
};

}  // namespace

std::vector<Resource> compile_tcp_listeners(const Model& model, const Node& node) {
  if (node.outbound_tcp.empty()) return {};
  Listeners listeners(model, node);
  for (const auto* service : model.services_for(node)) {
    const auto* rules = model.virtual_service(service->host, service->ns, node.ns);
    for (const auto& port : service->ports) {
      if (is_http(port.protocol)) continue;
      Target target{.service = service, .port = &port};
      if (rules != nullptr && for_mesh(rules->spec.gateways())) {
        target.rules = &rules->spec;
        target.rules_ns = rules->ns;
      }
      bool own = false;
      for (const auto& address : service->addresses) {
        if (!in_loopback(address)) continue;
        own = true;
        listeners.add({address, port.number}, target, false);
      }
      if (!own) listeners.add({node.outbound_tcp, port.number}, target, true);
    }
  }
  return listeners.take();
}

}  // namespace mesh::discovery
