#include <algorithm>
#include <deque>
#include <set>
#include <unordered_set>

#include "base/text.h"
#include "discovery/compile/build.h"
#include "discovery/compile/capture.h"
#include "discovery/compile/egress.h"
#include "discovery/compile/filters.h"
#include "discovery/compile/gateway.h"
#include "discovery/compile/match.h"
#include "discovery/compile/origin.h"
#include "discovery/compile/route_limits.h"
#include "discovery/compile/session_policies.h"
#include "discovery/compile/tracing.h"
#include "envoy/config/route/v3/route.pb.h"
#include "xds/serialize.h"

namespace mesh::discovery {
namespace {

namespace pb = envoy::config::route::v3;
using VirtualService = Object<istio::VirtualService>;

// Fields of RouteConfiguration and of VirtualHost.
constexpr uint32_t kName = 1;
constexpr uint32_t kVirtualHosts = 2;
constexpr uint32_t kDomains = 2;

// What a route configuration is for.
struct Scope {
  std::string name = "outbound";
  std::vector<const Service*> services{};
  uint32_t port = 0;       // of services; 0: all, and requests name theirs
  bool own_hosts = false;  // those of VirtualServices that no service has, too
  bool captured = false;
  std::string gateway{};  // NAMESPACE/NAME; empty: the calls of the node itself
  bool tls = false;       // clients of the gateway come by TLS
};

// What is the same for all route configurations of a node.
struct Caller {
  const Model& model;
  const Node& node;
  std::vector<const Service*> callable{};  // services_for() it
  RoutePartsOf parts_of{};
};

class Compiler {
 public:
  Compiler(const Caller& caller, Scope scope)
      : caller_(caller),
        model_(caller.model),
        node_(caller.node),
        scope_(std::move(scope)),
        gateway_(scope_.gateway),
        port_(scope_.port) {}

  Resource compile() {
    const auto& services = scope_.services;
    // Hosts that are spelled out come before short forms of others.
    for (const auto* service : services)
      for (const auto& port : service->ports)
        if (may_be_http(port) && (port_ == 0 || port_ == port.number)) add_service(*service, port);
    if (scope_.own_hosts) add_bare_hosts();
    if (scope_.captured || egress_proxy(model_, node_)) add_unknown();
    std::string body;
    append_field(kName, scope_.name, body);
    body += hosts_;
    pb::RouteConfiguration rest;
    rest.mutable_validate_clusters()->set_value(false);
    rest.mutable_max_direct_response_body_size_bytes()->set_value(kDirectBodyBytesMax);
    body += xds::serialize(rest);
    return resource(scope_.name, std::move(body));
  }

  void add_routes(const VirtualService& object, uint32_t port, pb::VirtualHost& host) {
    for (int i = 0; i < object.spec.http_size(); ++i) {
      const auto& http = object.spec.http(i);
      if (http.match().empty()) {
        add_route(object, http, istio::HTTPMatchRequest(), port, {i, -1}, host);
        return;  // it takes all requests
      }
      for (int m = 0; m < http.match_size(); ++m) {
        const auto& match = http.match(m);
        if (match.port() != 0 && match.port() != port) continue;
        if (!is_meant(object, match)) continue;
        if (add_route(object, http, match, port, {i, m}, host)) return;
      }
    }
  }

 private:
  bool is_meant(const VirtualService& object, const istio::HTTPMatchRequest& match) const {
    if (gateway_.empty()) return is_for(match, node_);
    if (!match.gateways().empty() && !names_gateway(match.gateways(), object.ns, gateway_))
      return false;
    return is_for_caller(match, node_);
  }

  void add_service(const Service& service, const Port& port) {
    const RoutePart& part = part_of(service, port.number);
    const auto http_ports = std::count_if(service.ports.begin(), service.ports.end(),
                                          [](const Port& p) { return may_be_http(p); });
    const bool bare = http_ports == 1 || port.number == kHttpPort || port_ != 0;
    add_host(part.name, part.domains, bare, part.rest);
  }

  // Unless all of its domains are taken by others.
  void add_host(const std::string& name, const std::vector<RoutePart::Domain>& domains, bool bare,
                const std::string& rest) {
    std::string host;
    append_field(kName, name, host);
    const size_t without = host.size();
    for (const auto& domain : domains)
      if ((bare || domain.with_port) && domains_.insert(domain.text).second)
        append_field(kDomains, domain.text, host);
    if (host.size() == without) return;
    host += rest;
    append_field(kVirtualHosts, host, hosts_);
  }

  // The same of one that is not kept.
  void add_host(std::vector<RoutePart::Domain> domains, pb::VirtualHost host) {
    const std::string name = host.name();
    add_host(name, own_.emplace_back(std::move(domains)), true, rest_of(std::move(host)));
  }

  // What goes without saying, and then all but the name. The host has its routes.
  std::string rest_of(pb::VirtualHost host) const {
    add_session_policies(model_, node_, caller_.callable, host);
    name_operations(model_, host);
    host.clear_name();
    return xds::serialize(host);
  }

  const RoutePart& part_of(const Service& service, uint32_t port) {
    const auto [part, fresh] = caller_.parts_of(service).try_emplace(port);
    if (fresh || !part->second.fits(service, caller_.callable))
      part->second = make_part(service, port);
    return part->second;
  }

  RoutePart make_part(const Service& service, uint32_t port) {
    RoutePart part;
    part.name = service.host + ":" + std::to_string(port);
    for (const auto& name : names_of(service)) add_domains(name, port, part.domains);
    part.addresses = service.addresses;
    pb::VirtualHost host;
    host.set_name(part.name);
    leads_.clear();
    set_routes(service, port, host);
    part.rest = rest_of(std::move(host));
    for (const auto* breaker : model_.circuit_breakers(service, node_.ns))
      if (const auto& fallback = breaker->spec.fallback(); fallback.has_destination())
        leads_.insert(model_.resolve(fallback.destination().host(), breaker->ns));
    leads_.erase(service.host);
    for (const auto& lead : leads_) {
      const Service* const other = service_of(caller_.callable, lead);
      part.leads.emplace_back(lead, other == nullptr ? std::string() : other->ns);
    }
    return part;
  }

  void set_routes(const Service& service, uint32_t port, pb::VirtualHost& host) {
    host.set_include_request_attempt_count(true);  // as Istio
    if (const auto* policy = model_.service_policy(service, "", node_.ns);
        policy != nullptr && policy->spec.hedging().on_per_try_timeout())
      host.mutable_hedge_policy()->set_hedge_on_per_try_timeout(true);
    const auto* object = model_.virtual_service(service.host, service.ns, node_);
    if (object != nullptr) add_routes(*object, port, host);
    // Istio: a service is called as it stands also where no route is for this caller and port.
    if (host.routes().empty())
      add_default(outbound_name(port, "", service.host), service.object, host);
    set_circuit_breakers(model_, node_, service, port, host);
  }

  // As Istio: requests to hosts that nobody has go where they were going, to the egress
  // proxy, or nowhere.
  void add_unknown() {
    const bool any = allows_any(model_, node_);
    pb::VirtualHost host;
    host.set_name(any ? "allow_any" : "block_all");
    host.set_include_request_attempt_count(true);
    auto& route = *host.add_routes();
    route.set_name(host.name());
    route.mutable_match()->set_prefix("/");
    if (any) {
      route.mutable_route()->set_cluster(unknown_cluster(model_, node_));
      route.mutable_route()->mutable_timeout();
      route.mutable_route()->mutable_max_grpc_timeout();
    } else {
      route.mutable_direct_response()->set_status(502);
    }
    add_host({{"*", false}}, std::move(host));
  }

  void add_bare_hosts() {
    if (node_.hosts == nullptr)
      for (const auto& object : model_.objects().virtual_services) add_bare_hosts(object);
    else
      for (const auto* object : model_.virtual_services_of(*node_.hosts)) add_bare_hosts(*object);
  }

  // Hosts of a VirtualService that no service has.
  void add_bare_hosts(const VirtualService& object) {
    if (object.spec.http().empty()) return;
    for (const auto& pattern : object.spec.hosts()) {
      const std::string name = model_.resolve(pattern, object.ns);
      if (node_.hosts != nullptr && !node_.hosts->contains(name)) continue;
      const bool wildcard = name.starts_with('*');
      if (!wildcard && model_.find_service(name, object.ns) != nullptr) continue;
      if (model_.virtual_service(name, node_.ns, node_) != &object) continue;
      if (wildcard && !model_.is_host(name, node_)) continue;
      pb::VirtualHost host;
      host.set_name(name + ":" + std::to_string(kHttpPort));
      std::vector<RoutePart::Domain> domains;
      for (const auto& form : wildcard ? std::vector{name} : short_forms(name))
        add_domains(form, kHttpPort, domains);
      add_routes(object, kHttpPort, host);
      if (host.routes().empty()) continue;  // none is for this caller
      add_host(std::move(domains), std::move(host));
    }
  }

  std::vector<std::string> names_of(const Service& service) const {
    auto names = short_forms(service.host);
    for (const auto& address : service.addresses)
      if (address.find('/') == std::string::npos) names.push_back(address);
    return names;
  }

  // a.ns.svc.DOMAIN is also a.ns.svc, a.ns and, within its namespace, a; but no wildcard is
  // all hosts.
  std::vector<std::string> short_forms(const std::string& host) const {
    std::vector<std::string> names{host};
    const std::string suffix = ".svc." + model_.options().domain;
    if (!host.ends_with(suffix)) return names;
    const std::string base = host.substr(0, host.size() - suffix.size());
    names.push_back(base + ".svc");
    names.push_back(base);
    const size_t dot = base.rfind('.');
    if (dot != std::string::npos && base.substr(dot + 1) == node_.ns && base.substr(0, dot) != "*")
      names.push_back(base.substr(0, dot));
    return names;
  }

  static void add_domains(const std::string& name, uint32_t port,
                          std::vector<RoutePart::Domain>& domains) {
    // An address may be written in capitals, and each domain is somebody's once in any case.
    const std::string lower = text::to_lower(name);
    const std::string literal = lower.find(':') == std::string::npos ? lower : "[" + lower + "]";
    domains.push_back({literal, false});
    // Envoy's wildcard is a prefix or a suffix, never with a port behind it.
    if (literal.starts_with('*') && literal.size() == 1) return;
    domains.push_back({literal + ":" + std::to_string(port), true});
  }

  static void add_default(const std::string& cluster, const std::string& origin,
                          pb::VirtualHost& host) {
    auto& route = *host.add_routes();
    route.set_name("default");
    set_origin("config", origin, *route.mutable_metadata());
    route.mutable_match()->set_prefix("/");
    route.mutable_route()->set_cluster(cluster);
    route.mutable_route()->mutable_timeout();  // none, as Istio; but a gRPC caller's own
    route.mutable_route()->mutable_max_grpc_timeout();
    set_default_retries(*route.mutable_route());
  }

  // True where no request gets past it.
  bool add_route(const VirtualService& object, const istio::HTTPRoute& http,
                 const istio::HTTPMatchRequest& match, uint32_t port, RulePlace place,
                 pb::VirtualHost& host) {
    auto& route = *host.add_routes();
    route.set_name(match.name().empty() ? http.name() : http.name() + "." + match.name());
    route.set_stat_prefix(match.stat_prefix());
    set_match(match, *route.mutable_match());
    set_rule_origin(object, http, place, *route.mutable_metadata());
    if (http.has_redirect()) {
      set_redirect(http.redirect(), port, scope_.tls, *route.mutable_redirect());
    } else if (http.has_direct_response()) {
      set_direct(http.direct_response(), *route.mutable_direct_response());
    } else {
      set_action(object, http, port, *route.mutable_route());
      if (size_t(place.route) < object.origins.size())
        set_origin_settings(object.origins[size_t(place.route)], route);
    }
    if (http.has_headers()) set_headers(http.headers(), route);
    // Of the only destination: Istio gives it to the route, whose own authority stays.
    if (http.route_size() == 1 && http.route(0).has_headers())
      set_headers(http.route(0).headers(), route);
    if (http.has_cors_policy()) set_cors(http.cors_policy(), route);
    if (http.has_fault()) set_fault(http.fault(), route);
    return takes_all(route.match());
  }

  static void set_origin_settings(const RuleOrigin& origin, pb::Route& route) {
    if (origin.session) set_session(*origin.session, route);
    if (origin.unknown_backend_is_500)
      route.mutable_route()->set_cluster_not_found_response_code(
          pb::RouteAction::INTERNAL_SERVER_ERROR);
  }

  static void set_direct(const istio::HTTPDirectResponse& direct, pb::DirectResponseAction& into) {
    into.set_status(direct.status());
    switch (direct.body().specifier_case()) {
      case istio::HTTPBody::kString:
        into.mutable_body()->set_inline_string(direct.body().string());
        break;
      case istio::HTTPBody::kBytes:
        into.mutable_body()->set_inline_bytes(direct.body().bytes());
        break;
      default: break;
    }
  }

  void set_action(const VirtualService& object, const istio::HTTPRoute& http, uint32_t port,
                  pb::RouteAction& into) {
    set_destinations(object, http, port, into);
    *into.mutable_timeout() = http.timeout();  // none by default, as Istio
    *into.mutable_max_grpc_timeout() = http.timeout();
    if (http.has_retries())
      set_retries(http.retries(), into);
    else
      set_default_retries(into);
    set_mirrors(object, http, port, into);
    if (http.rewrite().has_uri_regex_rewrite()) {
      const auto& regex = http.rewrite().uri_regex_rewrite();
      into.mutable_regex_rewrite()->mutable_pattern()->set_regex(regex.match());
      into.mutable_regex_rewrite()->set_substitution(regex.rewrite());
    } else if (!http.rewrite().uri().empty()) {
      into.set_prefix_rewrite(http.rewrite().uri());
    }
    if (!http.rewrite().authority().empty())
      into.set_host_rewrite_literal(http.rewrite().authority());
  }

  void set_destinations(const VirtualService& object, const istio::HTTPRoute& http, uint32_t port,
                        pb::RouteAction& into) {
    if (http.route_size() == 1) {
      into.set_cluster(cluster_of(http.route(0).destination(), object.ns, port));
      return;
    }
    for (const auto& destination : http.route()) {
      if (destination.weight() <= 0) continue;
      auto& cluster = *into.mutable_weighted_clusters()->add_clusters();
      cluster.set_name(cluster_of(destination.destination(), object.ns, port));
      cluster.mutable_weight()->set_value(uint32_t(destination.weight()));
      if (destination.has_headers()) set_headers(destination.headers(), cluster);
    }
  }

  void set_mirrors(const VirtualService& object, const istio::HTTPRoute& http, uint32_t port,
                   pb::RouteAction& into) {
    const auto add = [&](const istio::Destination& to, bool has_share,
                         const istio::Percent& share) {
      if (has_share && share.value() <= 0) return;
      auto& policy = *into.add_request_mirror_policies();
      policy.set_cluster(cluster_of(to, object.ns, port));
      set_share(has_share ? share.value() : 100,
                *policy.mutable_runtime_fraction()->mutable_default_value());
    };
    istio::Percent share = http.mirror_percentage();
    if (!http.has_mirror_percentage()) share.set_value(http.mirror_percent().value());
    if (http.has_mirror())
      add(http.mirror(), http.has_mirror_percentage() || http.has_mirror_percent(), share);
    for (const auto& mirror : http.mirrors())
      add(mirror.destination(), mirror.has_percentage(), mirror.percentage());
  }

  std::string cluster_of(const istio::Destination& destination, const std::string& ns,
                         uint32_t port) {
    leads_.insert(model_.resolve(destination.host(), ns));
    return destination_cluster(model_, destination, ns, port);
  }

  const Caller& caller_;
  const Model& model_;
  const Node& node_;
  const Scope scope_;
  const std::string& gateway_;
  const uint32_t port_;
  std::string hosts_;                               // virtual hosts, serialized
  std::unordered_set<std::string_view> domains_;    // of them all: each is somebody's once
  std::deque<std::vector<RoutePart::Domain>> own_;  // of those that are not kept
  std::set<std::string> leads_;                     // hosts that the rules at hand name
};

}  // namespace

void add_gateway_host_routes(const Model& model, const Node& node, const VirtualService& object,
                             uint32_t port, const std::string& gateway, bool tls,
                             pb::VirtualHost& host) {
  Compiler({model, node}, {.gateway = gateway, .tls = tls}).add_routes(object, port, host);
}

std::vector<Resource> compile_routes(const Model& model, const Node& node) {
  std::map<const Service*, RouteParts> parts;
  return compile_routes(model, node,
                        [&](const Service& service) -> RouteParts& { return parts[&service]; });
}

std::vector<Resource> compile_routes(const Model& model, const Node& node,
                                     const RoutePartsOf& kept) {
  std::vector<Resource> result;
  const Caller caller{model, node, model.services_for(node), kept};
  const auto services = default_services(model, node);
  const auto add = [&](Scope scope) {
    result.push_back(Compiler(caller, std::move(scope)).compile());
  };
  if (!node.outbound.empty() || !node.outbound_tcp.empty())
    add({.services = services, .own_hosts = true});
  for (auto& egress : egress_listeners(model, node))
    if (egress.http || !egress.declared)
      add({.name = egress.name, .services = std::move(egress.services), .port = egress.port});
  for (auto& one : compile_gateway_routes(model, node)) result.push_back(std::move(one));
  if (node.capture_outbound.address.empty()) return result;
  // On demand too: who is called is known only once a request came in.
  std::set<uint32_t> ports;
  for (const auto* service :
       node.hosts == nullptr ? services : default_services(model, whole(node)))
    for (const auto& port : service->ports)
      if (may_be_http(port)) ports.insert(port.number);
  for (const uint32_t port : ports)
    add({.name = std::to_string(port),
         .services = services,
         .port = port,
         .own_hosts = port == kHttpPort,
         .captured = true});
  return result;
}

}  // namespace mesh::discovery
