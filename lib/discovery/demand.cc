// What a node gets that subscribes on demand: the hosts it asked for, and what their
// rules lead to.
#include <algorithm>

#include "base/text.h"
#include "discovery/catalog.h"

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

void Catalog::add_destinations(const Object<istio::VirtualService>& routing, Hosts& into) const {
  const auto add = [&](const istio::Destination& to) {
    if (!to.host().empty()) into.insert(model_->resolve(to.host(), routing.ns));
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
    into.insert(service->host);
    if (const auto* routing = model_->virtual_service(service->host, service->ns, node.ns))
      add_destinations(*routing, into);
    return true;
  }
  const std::string name = text::to_lower(host);
  const std::string& domain = model_->options().domain;
  for (const auto& form :
       {name, model_->resolve(name, node.ns), name + ".svc." + domain, name + "." + domain}) {
    const auto* routing = routing_of(node, form);
    if (routing == nullptr) continue;
    into.insert(form);
    add_destinations(*routing, into);
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

// A connection without a name cannot ask: where TCP is listened for, all of it is there.
void Catalog::add_tcp(const Node& node, Hosts& into) const {
  for (const auto* service : model_->services_for(node)) {
    if (!has_tcp(*service)) continue;
    into.insert(service->host);
    if (const auto* routing = model_->virtual_service(service->host, service->ns, node.ns))
      add_destinations(*routing, into);
  }
}

std::shared_ptr<const Catalog::Hosts> Catalog::closure(Entry& entry) const {
  if (!entry.asked) return nullptr;
  Hosts result;
  entry.unresolved = false;
  for (const auto& name : *entry.asked)
    if (!add_asked(entry.node, name, result)) entry.unresolved = true;
  if (!entry.node.outbound_tcp.empty()) add_tcp(entry.node, result);
  return std::make_shared<const Hosts>(std::move(result));
}

}  // namespace mesh::discovery
