#include "discovery/compile/gateway.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/text.h"
#include "discovery/compile/access_log.h"
#include "discovery/compile/authentication.h"
#include "discovery/compile/authorization.h"
#include "discovery/compile/credential.h"
#include "discovery/compile/filters.h"
#include "discovery/compile/gateway_tls.h"
#include "discovery/compile/match.h"
#include "discovery/compile/route_limits.h"
#include "discovery/compile/session_policies.h"
#include "discovery/compile/telemetry.h"
#include "discovery/compile/tracing.h"
#include "discovery/compile/tunnel.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"

namespace mesh::discovery {
namespace {

namespace listener_pb = envoy::config::listener::v3;
namespace pb = envoy::config::route::v3;
namespace ext = envoy::extensions;
using ext::filters::network::tcp_proxy::v3::TcpProxy;
using VirtualService = Object<istio::VirtualService>;
using Tls = istio::ServerTLSSettings;

constexpr const char* kEveryAddress = "0.0.0.0";
constexpr Duration kSniffTimeout = std::chrono::seconds(10);

// What a server does with a connection.
enum class Serves : uint8_t { Http, Https, TlsTcp, Passthrough, Tcp };

struct Server {
  const Object<istio::Gateway>& gateway;
  const istio::Server& spec;
  Serves serves;

  std::string name() const { return gateway.ns + "/" + gateway.name; }
  bool plain() const { return serves == Serves::Http || serves == Serves::Tcp; }
};

struct Place {
  std::string bind;
  uint32_t port;
  auto operator<=>(const Place&) const = default;
};
using Places = std::map<Place, std::vector<Server>>;

Serves serves(const istio::Server& server) {
  const std::string& protocol = server.port().protocol();
  const bool passes = server.tls().mode() == Tls::PASSTHROUGH;
  if (text::iequals(protocol, "HTTPS")) return passes ? Serves::Passthrough : Serves::Https;
  if (text::iequals(protocol, "TLS")) return passes ? Serves::Passthrough : Serves::TlsTcp;
  for (const std::string_view http : {"HTTP", "HTTP2", "GRPC", "GRPC-WEB"})
    if (text::iequals(protocol, http)) return Serves::Http;
  return Serves::Tcp;
}

Places places_of(const Model& model, const Node& node) {
  Places places;
  for (const auto& gateway : model.objects().gateways) {
    if (!selects(gateway.spec.selector(), node.labels)) continue;
    for (const auto& spec : gateway.spec.servers()) {
      const Server server{gateway, spec, serves(spec)};
      auto& servers =
          places[{spec.bind().empty() ? kEveryAddress : spec.bind(), spec.port().number()}];
      if (servers.empty() || (servers.front().plain() ? servers.front().serves == Serves::Http &&
                                                            server.serves == Serves::Http
                                                      : !server.plain()))
        servers.push_back(server);
    }
  }
  return places;
}

std::string route_name(const Place& place, const Server& server) {
  std::string name = std::to_string(place.port);
  if (server.serves == Serves::Https)
    name = "https." + name + "." + server.spec.port().name() + "." + server.gateway.name + "." +
           server.gateway.ns;
  else
    name = "http." + name;
  return place.bind == kEveryAddress ? name : name + "." + place.bind;
}

// A server's host, "HOST" or "NAMESPACE/HOST".
struct Exposed {
  std::string ns;  // "*" any
  std::string host;
};

Exposed exposed(const std::string& text, const Server& server) {
  const size_t slash = text.find('/');
  if (slash == std::string::npos) return {"*", text::to_lower(text)};
  const std::string ns = text.substr(0, slash);
  return {ns == "." ? server.gateway.ns : ns, text::to_lower(text.substr(slash + 1))};
}

std::vector<std::string> server_names(const Server& server) {
  std::vector<std::string> names;
  for (const auto& text : server.spec.hosts()) names.push_back(exposed(text, server).host);
  return names;
}

// What both patterns take; empty: nothing.
std::string intersection(const std::string& a, const std::string& b) {
  if (host_match(a, b) > 0) return b;
  return host_match(b, a) > 0 ? a : "";
}

// The VirtualServices bound to the server's gateway that it lets see.
std::vector<const VirtualService*> bound(const Model& model, const Server& server) {
  std::vector<const VirtualService*> result;
  for (const auto& object : model.objects().virtual_services)
    if (names_gateway(object.spec.gateways(), object.ns, server.name()) &&
        visible(object.spec.export_to(), object.ns, server.gateway.ns))
      result.push_back(&object);
  return result;
}

// The hosts that the VirtualService serves at the server.
std::set<std::string> hosts_of(const Model& model, const VirtualService& object,
                               const Server& server) {
  std::set<std::string> hosts;
  for (const auto& text : server.spec.hosts()) {
    const Exposed by = exposed(text, server);
    if (by.ns != "*" && by.ns != object.ns) continue;
    for (const auto& written : object.spec.hosts()) {
      const std::string host = intersection(by.host, model.resolve(written, object.ns));
      if (!host.empty()) hosts.insert(host);
    }
  }
  return hosts;
}

// Routes by host. On a gateway several VirtualServices may speak of one (Istio): their
// routes stand one after the other, those that take every request at the end.
class Hosts {
 public:
  Hosts(const Model& model, const Node& node, const Place& place)
      : model_(model), node_(node), place_(place) {}

  void add(const Server& server) {
    if (server.spec.tls().https_redirect()) return redirect(server);
    for (const auto* object : bound(model_, server)) {
      if (object->spec.http().empty()) continue;
      for (const auto& name : hosts_of(model_, *object, server))
        add_gateway_host_routes(model_, node_, *object, place_.port, server.name(), !server.plain(),
                                host(name));
    }
  }

  Resource take(const std::string& name) {
    pb::RouteConfiguration config;
    config.set_name(name);
    config.mutable_validate_clusters()->set_value(false);
    config.set_ignore_port_in_host_matching(true);
    config.mutable_max_direct_response_body_size_bytes()->set_value(kDirectBodyBytesMax);
    for (auto& [domain, one] : hosts_) {
      auto& routes = *one.mutable_routes();
      std::stable_partition(routes.begin(), routes.end(),
                            [](const pb::Route& route) { return !takes_all(route.match()); });
      const auto first = std::find_if(routes.begin(), routes.end(), [](const pb::Route& route) {
        return takes_all(route.match());
      });
      while (first != routes.end() && first + 1 != routes.end()) routes.RemoveLast();
      if (!routes.empty()) *config.add_virtual_hosts() = std::move(one);
    }
    const auto callable = model_.services_for(node_);
    for (auto& host : *config.mutable_virtual_hosts()) {
      add_session_policies(model_, node_, callable, host);
      name_operations(model_, host);
    }
    return resource(name, config);
  }

 private:
  pb::VirtualHost& host(const std::string& domain) {
    auto& host = hosts_[domain];
    if (host.domains().empty()) {
      host.set_name(domain + ":" + std::to_string(place_.port));
      host.add_domains(domain);
      host.set_include_request_attempt_count(true);
    }
    return host;
  }

  void redirect(const Server& server) {
    for (const auto& name : server_names(server)) {
      auto& route = *host(name).add_routes();
      route.set_name("https");
      route.mutable_match()->set_prefix("/");
      route.mutable_redirect()->set_https_redirect(true);
    }
  }

  const Model& model_;
  const Node& node_;
  const Place& place_;
  std::map<std::string, pb::VirtualHost> hosts_;
};

class Listener {
 public:
  Listener(const Model& model, const Node& node, const Place& place)
      : model_(model), node_(node), place_(place) {
    listener_.set_name("gateway|" + place.bind + "|" + std::to_string(place.port));
    listener_.set_traffic_direction(envoy::config::core::v3::OUTBOUND);
    if (place.bind.starts_with("unix://"))
      set_address(place.bind, *listener_.mutable_address());
    else
      set_address(place.bind, place.port, *listener_.mutable_address());
  }

  void add(const Server& server) {
    switch (server.serves) {
      case Serves::Http:
        if (listener_.filter_chains().empty()) add_http(server, {});
        return;
      case Serves::Https: {
        const auto names = fresh(server_names(server));
        if (names) add_http(server, *names);
        return;
      }
      case Serves::TlsTcp: return add_tcp(server, true);
      case Serves::Tcp: return add_tcp(server, false);
      case Serves::Passthrough: return add_passthrough(server);
    }
  }

  // Nothing where no chain is there.
  void take(std::vector<Resource>& to) {
    if (listener_.filter_chains().empty()) return;
    if (by_name_) {
      auto& inspector = *listener_.add_listener_filters();
      inspector.set_name("envoy.filters.listener.tls_inspector");
      pack(ext::filters::listener::tls_inspector::v3::TlsInspector(),
           *inspector.mutable_typed_config());
      set(kSniffTimeout, *listener_.mutable_listener_filters_timeout());
    }
    to.push_back(listener_resource(model_, node_, listener_));
  }

 private:
  using Names = std::vector<std::string>;

  // The names that no chain before has; nothing where there are none. Empty: every name.
  std::optional<Names> fresh(const Names& names) {
    by_name_ = true;
    if (std::find(names.begin(), names.end(), "*") != names.end())
      return taken_.insert("*").second ? std::optional(Names{}) : std::nullopt;
    Names result;
    for (const auto& name : names)
      if (taken_.insert(name).second) result.push_back(name);
    return result.empty() ? std::nullopt : std::optional(result);
  }

  listener_pb::FilterChain& add_chain(const Server& server, const Names& names) {
    auto& chain = *listener_.add_filter_chains();
    chain.set_name(server.name() + "." + server.spec.port().name() +
                   (names.empty() ? "" : "|" + names.front()));
    auto& match = *chain.mutable_filter_chain_match();
    for (const auto& name : names) match.add_server_names(name);
    if (!server.plain()) match.set_transport_protocol("tls");
    if (server.serves == Serves::Https || server.serves == Serves::TlsTcp)
      set_gateway_tls(model_.options().trust_domain, with_files(node_, server.spec.tls()),
                      server.serves == Serves::Https, *chain.mutable_transport_socket());
    return chain;
  }

  void add_http(const Server& server, const Names& names) {
    auto& chain = add_chain(server, names);
    const std::string routes = route_name(place_, server);
    HttpManager manager = gateway_manager(model_, node_, routes);
    // The client is who connects, and what it says of others is not believed (Istio).
    manager.mutable_use_remote_address()->set_value(true);
    manager.set_forward_client_cert_details(HttpManager::SANITIZE_SET);
    auto& details = *manager.mutable_set_current_client_cert_details();
    details.mutable_subject()->set_value(true);
    details.set_dns(true);
    details.set_uri(true);
    add_guards(manager);
    manager.mutable_rds()->set_route_config_name(routes);
    set_ads(*manager.mutable_rds()->mutable_config_source());
    auto& filter = *chain.add_filters();
    filter.set_name("envoy.filters.network.http_connection_manager");
    pack(manager, *filter.mutable_typed_config());
  }

  // Who may come in at all, before anything is done for it.
  void add_guards(HttpManager& manager) const {
    const PolicyTarget target = target_of(model_, node_);
    HttpManager guards;
    add_authentication(model_, target, true, guards);
    add_authorization(model_, target, guards);
    guards.mutable_http_filters()->MergeFrom(manager.http_filters());
    manager.mutable_http_filters()->Swap(guards.mutable_http_filters());
  }

  template <class Match>
  bool holds(const Match& match, const VirtualService& object, const Server& server) const {
    if (match.port() != 0 && match.port() != place_.port) return false;
    if (!match.source_namespace().empty() && match.source_namespace() != node_.ns) return false;
    return (match.gateways().empty() ||
            names_gateway(match.gateways(), object.ns, server.name())) &&
           selects(match.source_labels(), node_.labels);
  }

  template <class Destinations>
  void add_proxy(const VirtualService& object, const Destinations& to,
                 listener_pb::FilterChain& chain) {
    TcpProxy proxy;
    proxy.set_stat_prefix(listener_.name());
    if (!to.empty()) {
      const auto& first = to[0].destination();
      set_tunnel(model_, node_,
                 model_.find_service(model_.resolve(first.host(), object.ns), node_.ns),
                 to.size() == 1 ? first.subset() : "", proxy);
    }
    for (const auto& one : to) {
      const std::string cluster =
          destination_cluster(model_, one.destination(), object.ns, place_.port);
      if (to.size() == 1) {
        proxy.set_cluster(cluster);
      } else if (one.weight() > 0) {
        auto& weighted = *proxy.mutable_weighted_clusters()->add_clusters();
        weighted.set_name(cluster);
        weighted.set_weight(uint32_t(one.weight()));
      }
    }
    add_access_log(model_, node_, Direction::Client, *proxy.mutable_access_log());
    add_authorization(model_, target_of(model_, node_), chain);
    auto& filter = *chain.add_filters();
    filter.set_name("envoy.filters.network.tcp_proxy");
    pack(proxy, *filter.mutable_typed_config());
  }

  // The first tcp route that holds takes all connections.
  void add_tcp(const Server& server, bool tls) {
    for (const auto* object : bound(model_, server)) {
      if (hosts_of(model_, *object, server).empty()) continue;
      for (const auto& route : object->spec.tcp()) {
        const bool any = route.match().empty() ||
                         std::any_of(route.match().begin(), route.match().end(),
                                     [&](const auto& m) { return holds(m, *object, server); });
        if (!any || (!tls && !listener_.filter_chains().empty())) continue;
        const auto names = tls ? fresh(server_names(server)) : std::optional(Names{});
        if (names) add_proxy(*object, route.route(), add_chain(server, *names));
        return;
      }
    }
  }

  void add_passthrough(const Server& server) {
    for (const auto* object : bound(model_, server)) {
      const auto hosts = hosts_of(model_, *object, server);
      for (const auto& route : object->spec.tls()) {
        Names wanted;
        for (const auto& match : route.match()) {
          if (!holds(match, *object, server)) continue;
          for (const auto& sni : match.sni_hosts())
            for (const auto& host : hosts)
              if (auto name = intersection(host, text::to_lower(sni)); !name.empty())
                wanted.push_back(std::move(name));
        }
        if (wanted.empty()) continue;
        if (const auto names = fresh(wanted))
          add_proxy(*object, route.route(), add_chain(server, *names));
      }
    }
  }

  const Model& model_;
  const Node& node_;
  const Place& place_;
  listener_pb::Listener listener_;
  std::set<std::string> taken_;  // server names
  bool by_name_ = false;
};

}  // namespace

std::vector<Resource> compile_gateway_listeners(const Model& model, const Node& node) {
  std::vector<Resource> result;
  for (const auto& [place, servers] : places_of(model, node)) {
    Listener listener(model, node, place);
    for (const auto& server : servers) listener.add(server);
    listener.take(result);
  }
  return result;
}

std::vector<Resource> compile_gateway_routes(const Model& model, const Node& node) {
  std::vector<Resource> result;
  for (const auto& [place, servers] : places_of(model, node)) {
    if (servers.front().serves == Serves::Http) {
      Hosts hosts(model, node, place);
      for (const auto& server : servers) hosts.add(server);
      result.push_back(hosts.take(route_name(place, servers.front())));
      continue;
    }
    for (const auto& server : servers) {
      if (server.serves != Serves::Https) continue;
      Hosts hosts(model, node, place);
      hosts.add(server);
      result.push_back(hosts.take(route_name(place, server)));
    }
  }
  return result;
}

}  // namespace mesh::discovery
