// Which services there are, which a node may call, and which an instance belongs to.
#include <algorithm>
#include <optional>

#include "base/text.h"
#include "discovery/compile/ext_authz.h"
#include "discovery/model.h"

namespace mesh::discovery {
namespace {

std::string selector_key(const std::string& ns, const std::string& key, const std::string& value) {
  return ns + '\n' + key + '\n' + value;
}

bool precedes(const Workload* a, const Workload* b) {
  return std::tie(a->ns, a->name) < std::tie(b->ns, b->name);
}

// The host of an egress host, "NS/HOST", of a Sidecar in `ns`, where it speaks of what is in
// `of_ns`; else empty.
std::string_view egress_host(std::string_view egress, const std::string& of_ns,
                             const std::string& ns) {
  const size_t slash = egress.find('/');
  if (slash == std::string_view::npos) return egress;
  const std::string_view from = egress.substr(0, slash);
  const bool speaks = from == "." ? of_ns == ns : from == "*" || from == of_ns;
  return speaks ? egress.substr(slash + 1) : std::string_view();
}

bool egress_allows(const istio::Sidecar& sidecar, const Service& service, const std::string& ns) {
  if (sidecar.egress().empty()) return true;
  for (const auto& egress : sidecar.egress())
    for (const auto& host : egress.hosts())
      if (egress_allows(host, service, ns)) return true;
  return false;
}

template <class Routes, class Visit>
void each_destination(const Routes& routes, const Visit& visit) {
  for (const auto& route : routes)
    for (const auto& to : route.route()) visit(to.destination());
}

}  // namespace

bool egress_allows(std::string_view egress, const Service& service, const std::string& ns) {
  return host_match(egress_host(egress, service.ns, ns), service.host) > 0;
}

bool Service::has_address() const {
  return std::any_of(addresses.begin(), addresses.end(),
                     [](const auto& text) { return text.find('/') == std::string::npos; });
}

void Model::give_addresses(const std::function<std::string(const std::string& host)>& address_of) {
  for (Service& service : services_) {
    if (service.has_address() || !service.takes_address()) continue;
    if (auto address = address_of(service.host); !address.empty())
      service.addresses.push_back(std::move(address));
  }
  index_services();
}

void Model::index_services() {
  selectors_.clear();
  by_address_.clear();
  for (size_t place = 0; place < services_.size(); ++place) {
    const Service& service = services_[place];
    if (!service.selector.empty()) {
      const auto& [key, value] = *service.selector.begin();
      selectors_[selector_key(service.ns, key, value)].push_back(place);
    }
    for (const auto& address : service.addresses)
      if (address.find('/') == std::string::npos) by_address_[address].push_back(place);
  }
}

// Of the services that select an instance with these labels.
std::vector<size_t> Model::places_of(const std::string& ns, const Labels& labels) const {
  std::vector<size_t> places;
  for (const auto& [key, value] : labels) {
    const auto found = selectors_.find(selector_key(ns, key, value));
    if (found == selectors_.end()) continue;
    for (const size_t place : found->second)
      if (selects(services_[place].selector, labels)) places.push_back(place);
  }
  std::sort(places.begin(), places.end());
  return places;
}

std::vector<const Service*> Model::services_of(const Workload& workload) const {
  std::vector<const Service*> result;
  for (const size_t place : places_of(workload.ns, workload.labels))
    result.push_back(&services_[place]);
  return result;
}

std::vector<const Service*> Model::set(const Key& key, const Workload* now, Workload::State state,
                                       const std::string& illness) {
  const auto found = workloads_.find(key);
  const bool known = found != workloads_.end();
  if (known && found->second.source == Workload::Source::Config) {
    // What is configured stands above what it says of itself.
    Workload& workload = found->second;
    if (workload.state == state && workload.illness == illness) return {};
    workload.state = state;
    workload.illness = illness;
    return services_of(workload);
  }
  if (!known && now == nullptr) return {};
  if (known && now != nullptr && found->second == *now) return {};
  const auto before = known ? places_of(key.first, found->second.labels) : std::vector<size_t>();
  const auto after = now != nullptr ? places_of(key.first, now->labels) : std::vector<size_t>();
  if (known)
    for (const size_t place : before) std::erase(services_[place].workloads, &found->second);
  if (now == nullptr) {
    workloads_.erase(found);
  } else {
    Workload& workload = workloads_[key];
    workload = *now;
    for (const size_t place : after) {
      // What is written in the service itself comes first.
      auto& all = services_[place].workloads;
      auto at = std::find_if(all.begin(), all.end(), [](const Workload* w) {
        return w->source != Workload::Source::Inline;
      });
      all.insert(std::upper_bound(at, all.end(), &workload, precedes), &workload);
    }
  }
  std::vector<size_t> places;
  std::set_union(before.begin(), before.end(), after.begin(), after.end(),
                 std::back_inserter(places));
  std::vector<const Service*> services;
  for (const size_t place : places) services.push_back(&services_[place]);
  return services;
}

bool Model::may_call(const Service& service, const Node& node,
                     const Object<istio::Sidecar>* scope) const {
  if (!visible(service.export_to, service.ns, node.ns)) return false;
  return scope == nullptr || egress_allows(scope->spec, service, node.ns);
}

bool Model::follows(const Object<istio::VirtualService>& object, const Node& node,
                    const Object<istio::Sidecar>* scope) const {
  if (!visible(object.spec.export_to(), object.ns, node.ns) || !for_mesh(object.spec.gateways()))
    return false;
  if (scope == nullptr || scope->spec.egress().empty()) return true;
  // Istio, SelectVirtualServices: a pattern on either side may take in the other.
  const auto imports = [&](const std::string& egress) {
    const std::string_view host = egress_host(egress, object.ns, node.ns);
    return !host.empty() && std::any_of(object.spec.hosts().begin(), object.spec.hosts().end(),
                                        [&](const auto& own) {
                                          return hosts_overlap(host, resolve(own, object.ns));
                                        });
  };
  return std::any_of(scope->spec.egress().begin(), scope->spec.egress().end(),
                     [&](const auto& egress) {
                       return std::any_of(egress.hosts().begin(), egress.hosts().end(), imports);
                     });
}

bool Model::is_host(const std::string& wildcard, const Node& node) const {
  const auto* scope = sidecar(node.ns, node.labels);
  std::optional<std::set<const Service*>> led;
  return std::none_of(services_.begin(), services_.end(), [&](const Service& service) {
    if (service.find_port(kHttpPort) == nullptr || !hosts_overlap(wildcard, service.host))
      return false;
    if (may_call(service, node, scope)) return true;
    if (!led) led = led_to(node, scope);
    return led->contains(&service);
  });
}

// What the VirtualServices that a Sidecar lets through lead to comes with them (Istio,
// "Sidecar": destinations of imported virtual services).
std::set<const Service*> Model::led_to(const Node& node,
                                       const Object<istio::Sidecar>* scope) const {
  std::set<const Service*> result;
  if (scope == nullptr || scope->spec.egress().empty()) return result;
  for (const auto* service : asked_providers(*this, node)) result.insert(service);
  for (const auto& object : objects_->virtual_services) {
    if (!follows(object, node, scope)) continue;
    const auto add = [&](const istio::Destination& to) {
      const auto* service = find_service(resolve(to.host(), object.ns), object.ns);
      if (service != nullptr && visible(service->export_to, service->ns, node.ns))
        result.insert(service);
    };
    each_destination(object.spec.http(), add);
    each_destination(object.spec.tcp(), add);
    each_destination(object.spec.tls(), add);
    for (const auto& route : object.spec.http()) {
      if (route.has_mirror()) add(route.mirror());
      for (const auto& mirror : route.mirrors()) add(mirror.destination());
    }
  }
  return result;
}

std::vector<const Service*> Model::services_for(const Node& node) const {
  const auto* scope = sidecar(node.ns, node.labels);
  std::optional<std::set<const Service*>> led;
  const auto is_led_to = [&](const Service& service) {
    if (!led) led = led_to(node, scope);
    return led->contains(&service);
  };
  std::vector<const Service*> result;
  const auto add = [&](const Service& service) {
    if (!may_call(service, node, scope) && !is_led_to(service)) return;
    if (result.empty() || result.back()->host != service.host)
      result.push_back(&service);
    else if (service.ns == node.ns)
      result.back() = &service;
  };
  if (node.hosts == nullptr) {
    for (const auto& service : services_) add(service);
    return result;
  }
  for (const auto& host : *node.hosts) {
    auto it = std::lower_bound(services_.begin(), services_.end(), host,
                               [](const Service& s, const std::string& h) { return s.host < h; });
    for (; it != services_.end() && it->host == host; ++it) add(*it);
  }
  return result;
}

const Service* Model::find_service(std::string_view host, std::string_view ns) const {
  const Service* result = nullptr;
  auto it = std::lower_bound(services_.begin(), services_.end(), host,
                             [](const Service& s, std::string_view h) { return s.host < h; });
  for (; it != services_.end() && it->host == host; ++it)
    if (result == nullptr || it->ns == ns) result = &*it;
  return result;
}

const Service* Model::service_named(std::string_view host, const Node& node) const {
  const auto* scope = sidecar(node.ns, node.labels);
  const auto called = [&](const std::string& name) -> const Service* {
    const Service* result = nullptr;
    auto it = std::lower_bound(services_.begin(), services_.end(), name,
                               [](const Service& s, const std::string& h) { return s.host < h; });
    for (; it != services_.end() && it->host == name; ++it)
      if ((result == nullptr || it->ns == node.ns) && may_call(*it, node, scope)) result = &*it;
    return result;
  };
  const std::string name = text::to_lower(host);
  const std::string domain = "." + options_.domain;
  for (const auto& full :
       {name, name + domain, name + ".svc" + domain, name + "." + node.ns + ".svc" + domain})
    if (const auto* service = called(full)) return service;
  if (const auto found = by_address_.find(name); found != by_address_.end())
    for (const size_t place : found->second)
      if (may_call(services_[place], node, scope)) return &services_[place];
  // "*.example.org" before "*.org" before "*".
  for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1))
    if (const auto* service = called("*" + name.substr(dot))) return service;
  return called("*");
}

}  // namespace mesh::discovery
