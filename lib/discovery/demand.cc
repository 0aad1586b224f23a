#include "discovery/demand.h"

#include <algorithm>

#include "base/host_port.h"
#include "base/text.h"
#include "discovery/compile/callers.h"
#include "discovery/compile/capture.h"
#include "discovery/compile/ext_authz.h"
#include "discovery/compile/gateway.h"

namespace mesh::discovery {
namespace {

using VirtualService = Object<istio::VirtualService>;

bool has_tcp(const Service& service) {
  return std::any_of(service.ports.begin(), service.ports.end(),
                     [](const Port& port) { return !is_http(port.protocol); });
}

// Gathers hosts, each with what it leads to.
class Gatherer {
 public:
  Gatherer(const Model& model, const Node& node) : model_(model), node_(node) {}

  // A request's host, in the forms that it is routed by. False: nobody has it.
  bool add_asked(std::string_view asked) {
    const std::string_view host = bare_host(asked);
    if (const auto* service = model_.service_named(host, node_)) {
      add_host(service->host);
      if (service->host.starts_with('*')) add_range(service->host);
      return true;
    }
    const std::string name = text::to_lower(host);
    const std::string& domain = model_.options().domain;
    for (const auto& form :
         {name, model_.resolve(name, node_.ns), name + ".svc." + domain, name + "." + domain}) {
      const auto* routing = routing_of(form);
      if (routing == nullptr) continue;
      hosts.insert(form);
      add_destinations(*routing);
      return true;
    }
    return add_wildcards(name);
  }

  // Services where they are told apart by port; the node's own where calls may be weighed against
  // its instances; and what is named beforehand: by the egress of the node's Sidecar, as egress
  // proxy, by policies that let a provider decide, and by routes of gateways that select it.
  void add_unasked() {
    if (model_.heeds().workload)
      if (const auto* const own = calling_service(model_, node_)) add_host(own->host);
    for (const auto* service : asked_providers(model_, node_)) add_host(service->host);
    if (listens_by_port(node_))
      for (const auto* service : model_.services_for(node_))
        if (has_tcp(*service)) add_host(service->host);
    const auto* const sidecar = model_.sidecar(node_.ns, node_.labels);
    for (int i = 0; sidecar != nullptr && i < sidecar->spec.egress_size(); ++i)
      add_egress(sidecar->spec.egress(i));
    if (const auto proxy = egress_proxy(model_, node_)) add_host(proxy->host());
    for (const auto& gateway : model_.objects().gateways) {
      if (!selects(gateway.spec.selector(), node_.labels)) continue;
      gateways = true;
      for (const auto& routing : model_.objects().virtual_services)
        if (names_gateway(routing.spec.gateways(), routing.ns, gateway.ns + "/" + gateway.name))
          add_destinations(routing);
    }
  }

  Hosts hosts;
  bool gateways = false;  // select the node
  bool by_port = false;   // an egress listener takes all services with its port

 private:
  // A host, its own rules, and where these lead: whoever has a virtual host has its clusters
  // too.
  void add_host(const std::string& host) {
    if (!hosts.insert(host).second) return;
    const auto* const service = model_.find_service(host, node_.ns);
    const std::string& ns = service != nullptr ? service->ns : node_.ns;
    if (const auto* routing = model_.virtual_service(host, ns, node_)) add_destinations(*routing);
    if (service != nullptr) add_fallbacks(*service);
  }

  void add_fallbacks(const Service& service) {
    for (const auto* breaker : model_.circuit_breakers(service, node_.ns))
      if (const auto& fallback = breaker->spec.fallback(); fallback.has_destination())
        add_host(model_.resolve(fallback.destination().host(), breaker->ns));
  }

  void add_destinations(const VirtualService& routing) {
    const auto add = [&](const istio::Destination& to) {
      if (!to.host().empty()) add_host(model_.resolve(to.host(), routing.ns));
    };
    for (const auto& route : routing.spec.http()) {
      for (const auto& to : route.route()) add(to.destination());
      if (route.has_mirror()) add(route.mirror());
      for (const auto& mirror : route.mirrors()) add(mirror.destination());
    }
    for (const auto& route : routing.spec.tcp())
      for (const auto& to : route.route()) add(to.destination());
    for (const auto& route : routing.spec.tls())
      for (const auto& to : route.route()) add(to.destination());
  }

  // Within the wildcard's range the more exact host goes before it, and is never asked for:
  // what requests to it need is there already, as far as its forwarder can see.
  void add_range(const std::string& wildcard) {
    for (const auto& other : model_.services())
      if (host_match(wildcard, other.host) > 0) add_host(other.host);
    for (const auto& routing : model_.objects().virtual_services)
      for (const auto& written : routing.spec.hosts()) {
        const std::string host = model_.resolve(written, routing.ns);
        if (host_match(wildcard, host) == 0 || routing_of(host) != &routing) continue;
        hosts.insert(host);
        add_destinations(routing);
      }
  }

  // Those of VirtualServices that take the name in, and that no service has.
  bool add_wildcards(const std::string& name) {
    bool any = false;
    for (const auto* routing : model_.virtual_services_of({name}))
      for (const auto& written : routing->spec.hosts()) {
        const std::string host = text::to_lower(written);
        if (!host.starts_with('*') || host_match(host, name) == 0) continue;
        if (routing_of(host) != routing || !model_.is_host(host, node_)) continue;
        add_range(host);
        any = true;
      }
    return any;
  }

  void add_egress(const istio::IstioEgressListener& egress) {
    for (const auto& host : egress.hosts()) {
      const std::string name = host.substr(host.find('/') + 1);
      if (name.find('*') == std::string::npos) add_host(name);
    }
    if (!egress.has_port() || is_http(protocol_of(egress.port().protocol()))) return;
    by_port = true;
    for (const auto* service : model_.services_for(node_))
      if (service->find_port(egress.port().number()) != nullptr) add_host(service->host);
  }

  // The VirtualService that is for requests to the host and names it.
  const VirtualService* routing_of(const std::string& host) const {
    const auto* routing = model_.virtual_service(host, node_.ns, node_);
    if (routing == nullptr || routing->spec.http().empty()) return nullptr;
    const auto& names = routing->spec.hosts();
    const bool named = std::any_of(names.begin(), names.end(), [&](const auto& each) {
      return model_.resolve(each, routing->ns) == host;
    });
    return named ? routing : nullptr;
  }

  const Model& model_;
  const Node& node_;
};

// The node as if it had asked for everything, which is what it may see.
Node seeing_all(Node node) {
  node.hosts = nullptr;
  return node;
}

// Whether `names` has what is before a dot of the host, or all of it.
bool has_front(const Hosts& names, std::string_view host) {
  if (names.contains(host)) return true;
  for (size_t dot = host.find('.'); dot != host.npos; dot = host.find('.', dot + 1))
    if (names.contains(host.substr(0, dot))) return true;
  return false;
}

// Whether a wildcard among the hosts, which come before all others, has the host in its range,
// or is in its.
bool has_wildcard(const Hosts& hosts, std::string_view host) {
  for (auto it = hosts.lower_bound("*"); it != hosts.end() && it->starts_with('*'); ++it)
    if (hosts_overlap(*it, host)) return true;
  return false;
}

}  // namespace

std::optional<Hosts> brought_by(const Model& model, const Node& node, std::string_view asked) {
  const Node whole = seeing_all(node);
  Gatherer gatherer(model, whole);
  if (!gatherer.add_asked(asked)) return std::nullopt;
  return std::move(gatherer.hosts);
}

Demand demand_of(const Model& model, const Node& node, const Hosts& asked) {
  const Node whole = seeing_all(node);
  Gatherer gatherer(model, whole);
  Demand demand;
  for (const auto& name : asked) {
    demand.names.insert(text::to_lower(bare_host(name)));
    demand.unresolved |= !gatherer.add_asked(name);
  }
  gatherer.add_unasked();
  demand.hosts = std::make_shared<const Hosts>(std::move(gatherer.hosts));
  demand.gateways = gatherer.gateways;
  demand.by_port = gatherer.by_port || listens_by_port(node);
  return demand;
}

bool Demand::may_heed(std::string_view host) const {
  return hosts->contains(host) || has_front(names, host) || has_wildcard(*hosts, host);
}

}  // namespace mesh::discovery
