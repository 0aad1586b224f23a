// What a node gets that subscribes on demand: the hosts it asked for, what their rules lead to,
// and what cannot be asked for.
#include <algorithm>

#include "base/text.h"
#include "discovery/catalog.h"
#include "discovery/compile/capture.h"
#include "discovery/compile/gateway.h"

namespace mesh::discovery {
namespace {

// "reviews:9080", "[::1]:80", "::1" to the host.
std::string_view without_port(std::string_view authority) {
  if (authority.starts_with('[')) {
    const size_t end = authority.find(']');
    return end == std::string_view::npos ? authority : authority.substr(1, end - 1);
  }
  const size_t colon = authority.find(':');
  if (colon == std::string_view::npos || authority.find(':', colon + 1) != std::string_view::npos)
    return authority;
  return authority.substr(0, colon);
}

bool has_tcp(const Service& service) {
  return std::any_of(service.ports.begin(), service.ports.end(),
                     [](const Port& port) { return !is_http(port.protocol); });
}

}  // namespace

const Object<istio::VirtualService>* Catalog::routing_of(const Node& node,
                                                         const std::string& host) const {
  const auto* routing = model_->virtual_service(host, node.ns, node.ns);
  if (routing == nullptr || routing->spec.http().empty()) return nullptr;
  const auto& hosts = routing->spec.hosts();
  const bool named = std::any_of(hosts.begin(), hosts.end(), [&](const auto& each) {
    return model_->resolve(each, routing->ns) == host;
  });
  return named ? routing : nullptr;
}

// A host, its own rules, and where these lead: whoever has a virtual host has its clusters too.
void Catalog::add_host(const Node& node, const std::string& host, Hosts& into) const {
  if (!into.insert(host).second) return;
  const auto* const service = model_->find_service(host, node.ns);
  const std::string& ns = service != nullptr ? service->ns : node.ns;
  if (const auto* routing = model_->virtual_service(host, ns, node.ns))
    add_destinations(node, *routing, into);
}

void Catalog::add_destinations(const Node& node, const Object<istio::VirtualService>& routing,
                               Hosts& into) const {
  const auto add = [&](const istio::Destination& to) {
    if (!to.host().empty()) add_host(node, model_->resolve(to.host(), routing.ns), into);
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

// A request's host, in the forms that it is routed by. False: nobody has it.
bool Catalog::add_asked(const Node& node, std::string_view asked, Hosts& into) const {
  const std::string_view host = without_port(asked);
  if (const auto* service = model_->service_named(host, node)) {
    add_host(node, service->host, into);
    // Within the wildcard's range the more exact host goes before it, without being asked for.
    if (service->host.starts_with('*'))
      for (const auto& other : model_->services())
        if (host_match(service->host, other.host) > 0) add_host(node, other.host, into);
    return true;
  }
  const std::string name = text::to_lower(host);
  const std::string& domain = model_->options().domain;
  for (const auto& form :
       {name, model_->resolve(name, node.ns), name + ".svc." + domain, name + "." + domain}) {
    const auto* routing = routing_of(node, form);
    if (routing == nullptr) continue;
    into.insert(form);
    add_destinations(node, *routing, into);
    return true;
  }
  return false;
}

std::optional<Catalog::Hosts> Catalog::find(const Member& member, std::string_view asked) const {
  const auto entry = entries_.find(&member);
  Hosts result;
  if (model_ == nullptr || entry == entries_.end() || !add_asked(entry->second.node, asked, result))
    return std::nullopt;
  return result;
}

// What cannot be asked for, as nothing names it: services where they are told apart by port;
// and what is named beforehand: by the egress of the node's Sidecar, as egress
// proxy, and by routes of gateways that select it. True: there are such gateways.
bool Catalog::add_unasked(const Node& node, Hosts& into) const {
  if (listens_by_port(node))
    for (const auto* service : model_->services_for(node))
      if (has_tcp(*service)) add_host(node, service->host, into);
  const auto* const sidecar = model_->sidecar(node.ns, node.labels);
  for (int i = 0; sidecar != nullptr && i < sidecar->spec.egress_size(); ++i) {
    const auto& egress = sidecar->spec.egress(i);
    const bool by_port = egress.has_port() && !is_http(protocol_of(egress.port().protocol()));
    for (const auto& host : egress.hosts()) {
      const std::string name = host.substr(host.find('/') + 1);
      if (name.find('*') == std::string::npos) add_host(node, name, into);
    }
    if (!by_port) continue;
    for (const auto* service : model_->services_for(node))
      if (service->find_port(egress.port().number()) != nullptr)
        add_host(node, service->host, into);
  }
  if (const auto proxy = egress_proxy(*model_, node)) add_host(node, proxy->host(), into);
  bool selected = false;
  for (const auto& gateway : model_->objects().gateways) {
    if (!selects(gateway.spec.selector(), node.labels)) continue;
    selected = true;
    for (const auto& routing : model_->objects().virtual_services)
      if (names_gateway(routing.spec.gateways(), routing.ns, gateway.ns + "/" + gateway.name))
        add_destinations(node, routing, into);
  }
  return selected;
}

std::shared_ptr<const Catalog::Hosts> Catalog::closure(Entry& entry) const {
  entry.unresolved.clear();
  entry.gateway = false;
  if (!entry.asked) return nullptr;
  Hosts result;
  for (const auto& name : *entry.asked)
    if (!add_asked(entry.node, name, result)) entry.unresolved.insert(name);
  entry.gateway = add_unasked(entry.node, result);
  return std::make_shared<const Hosts>(std::move(result));
}

}  // namespace mesh::discovery
