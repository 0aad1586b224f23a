// VirtualServices: where they lead, what of them is never reached.
#include <algorithm>

#include "base/text.h"
#include "config/analyze/analyzer.h"
#include "config/analyze/shadow.h"
#include "config/validate/checker.h"

namespace mesh::config {
namespace {

namespace networking = ::istio::networking::v1alpha3;

// Rules before this many are compared with all that come after them.
constexpr size_t kWideMax = 200;

template <class Gateways>
bool for_mesh(const Gateways& names) {
  return names.empty() || std::find(names.begin(), names.end(), "mesh") != names.end();
}

std::string delegate_name(const networking::Delegate& to, const std::string& ns) {
  return (to.namespace_().empty() ? ns : to.namespace_()) + "/" + to.name();
}

}  // namespace

bool is_http(std::string_view protocol) {
  for (const std::string_view http : {"HTTP", "HTTP2", "GRPC", "GRPC-WEB"})
    if (text::iequals(protocol, http)) return true;
  return false;
}

void Analyzer::virtual_service(const v1::Object& object) {
  const auto service = spec_of<networking::VirtualService>(object);
  // At a gateway several may speak of one host (Istio joins them).
  for (int i = 0; for_mesh(service.gateways()) && i < service.hosts_size(); ++i)
    only("M108", object, at_index("spec.hosts", i), "host " + service.hosts(i),
         object.namespace_() + "/" + service.hosts(i));
  for (int i = 0; i < service.http_size(); ++i)
    http(object, service.http(i), at_index("spec.http", i));
  for (int i = 0; i < service.tcp_size(); ++i)
    destinations(object, service.tcp(i).route(), at_index("spec.tcp", i));
  for (int i = 0; i < service.tls_size(); ++i)
    destinations(object, service.tls(i).route(), at_index("spec.tls", i));
  reachable(object, service);
  if (for_mesh(service.gateways())) protocols(object, service);
  bound(object, service);
  claims(object, service);
  if (!service.hosts().empty()) return;
  const std::string self = object.namespace_() + "/" + object.name();
  depend(kDelegated, self);
  if (!delegated_.contains(self))
    find("M206", object, "", "has no hosts, and no VirtualService delegates to it");
}

template <class Routes>
void Analyzer::destinations(const v1::Object& object, const Routes& routes, const std::string& at) {
  for (int j = 0; j < routes.size(); ++j)
    destination(object, routes[j].destination(), at_index(at + ".route", j) + ".destination");
}

void Analyzer::http(const v1::Object& object, const HTTPRoute& route, const std::string& path) {
  delegate(object, route, path + ".delegate");
  fault(object, route, path + ".fault");
  destinations(object, route.route(), path);
  if (route.has_mirror()) destination(object, route.mirror(), path + ".mirror");
  for (int i = 0; i < route.mirrors_size(); ++i)
    destination(object, route.mirrors(i).destination(),
                at_index(path + ".mirrors", i) + ".destination");
}

// As Istio has it: a share that is not said is none.
void Analyzer::fault(const v1::Object& object, const HTTPRoute& route, const std::string& path) {
  const auto& delay = route.fault().delay();
  if (route.fault().has_delay() && !delay.has_percentage() && delay.percent() == 0)
    find("M210", object, path + ".delay", "delays no request: percentage is not there");
  if (route.fault().has_abort() && !route.fault().abort().has_percentage())
    find("M210", object, path + ".abort", "aborts no request: percentage is not there");
}

void Analyzer::add_delegates(const v1::Object& object) {
  const auto service = spec_of<networking::VirtualService>(object);
  const std::string self = object.namespace_() + "/" + object.name();
  Delegating& one = delegating_[self];
  one.has_hosts = !service.hosts().empty();
  for (const auto& route : service.http())
    if (route.has_delegate()) one.to.insert(delegate_name(route.delegate(), object.namespace_()));
  touch(kDelegate, self);
  for (const std::string& to : one.to)
    if (delegated_[to]++ == 0) touch(kDelegated, to);
}

void Analyzer::remove_delegates(const v1::Object& object) {
  const std::string self = object.namespace_() + "/" + object.name();
  touch(kDelegate, self);
  const auto one = delegating_.extract(self);
  for (const std::string& to : one.mapped().to)
    if (const auto by = delegated_.find(to); --by->second == 0) {
      touch(kDelegated, to);
      delegated_.erase(by);
    }
}

void Analyzer::delegate(const v1::Object& object, const HTTPRoute& route, const std::string& path) {
  if (!route.has_delegate()) return;
  const std::string to = delegate_name(route.delegate(), object.namespace_());
  depend(kDelegate, to);
  const auto found = delegating_.find(to);
  if (found == delegating_.end())
    return find("M105", object, path, "there is no VirtualService " + to);
  const std::string self = object.namespace_() + "/" + object.name();
  if (to == self || found->second.to.contains(self))
    return find("M107", object, path,
                to == self ? "it delegates to itself"
                           : "a loop of delegates: " + to + " delegates back to " + self);
  const size_t slash = to.find('/');
  const auto* const other = set_.find(
      {.kind = "VirtualService", .ns = to.substr(0, slash), .name = to.substr(slash + 1)});
  if (found->second.has_hosts)
    find("M106", object, path, "a delegate has no hosts, and this one has: " + place_of(*other));
  if (!found->second.to.empty())
    find("M106", object, path, "delegates do not delegate, and this one does: " + place_of(*other));
}

// A rule all of whose matches are taken by rules before it.
void Analyzer::reachable(const v1::Object& object, const VirtualService& service) {
  struct Earlier {
    int route;
    const networking::HTTPMatchRequest* match;
  };
  static const networking::HTTPMatchRequest kAll;
  std::vector<Earlier> earlier;
  for (int i = 0; i < service.http_size(); ++i) {
    std::vector<const networking::HTTPMatchRequest*> own;
    for (const auto& match : service.http(i).match()) own.push_back(&match);
    if (own.empty()) own.push_back(&kAll);
    std::vector<std::pair<int, int>> taken;  // a match of ours, the rule that takes it
    for (size_t m = 0; m < own.size(); ++m) {
      if (!spend(earlier.size())) return;
      const auto by = std::find_if(earlier.begin(), earlier.end(),
                                   [&](const Earlier& one) { return covers(*one.match, *own[m]); });
      if (by != earlier.end()) taken.emplace_back(int(m), by->route);
    }
    const std::string path = at_index("spec.http", i);
    const auto says = [](int by) {
      return "never reached: http[" + std::to_string(by) + "] before it takes every such request";
    };
    if (taken.size() == own.size())
      find("M201", object, path, says(taken.front().second));
    else
      for (const auto& [m, by] : taken)
        find("M201", object, at_index(path + ".match", m), says(by));
    // What a delegate's routes do not take goes on to the next.
    if (service.http(i).has_delegate()) continue;
    for (const auto* match : own)
      if (earlier.size() < kWideMax) earlier.push_back({i, match});
  }
}

template <class Routes>
void Analyzer::matched_ports(const v1::Object& object, const Routes& routes,
                             const std::set<uint32_t>& ports, const std::string& path) {
  for (int i = 0; i < routes.size(); ++i)
    for (int m = 0; m < routes[i].match_size(); ++m)
      if (const uint32_t port = routes[i].match(m).port(); port != 0 && !ports.contains(port))
        find("M103", object, at_index(at_index(path, i) + ".match", m) + ".port",
             "none of the hosts has port " + std::to_string(port));
}

// Routes for a protocol, or a port, that none of the hosts has are never used.
void Analyzer::protocols(const v1::Object& object, const VirtualService& service) {
  const Index::Service* known = nullptr;
  bool http = false, other = false;
  std::set<uint32_t> ports;
  for (const auto& host : service.hosts()) {
    const auto* const found = index_.find_service(host, object.namespace_());
    if (found == nullptr) return;  // a host of its own, or a pattern
    known = found;
    for (const auto& port : found->ports) {
      (is_http(port.protocol()) ? http : other) = true;
      ports.insert(port.number());
    }
  }
  if (known == nullptr) return;
  // Gateways have ports of their own.
  if (service.gateways_size() <= 1) {
    matched_ports(object, service.http(), ports, "spec.http");
    matched_ports(object, service.tcp(), ports, "spec.tcp");
    matched_ports(object, service.tls(), ports, "spec.tls");
  }
  if (!http && service.http_size() > 0)
    find("M208", object, "spec.http",
         "has no effect: no port is HTTP: " + place_of(*known->object));
  if (!other && service.tcp_size() > 0)
    find("M208", object, "spec.tcp",
         "has no effect: all ports are HTTP: " + place_of(*known->object));
  if (!other && service.tls_size() > 0)
    find("M208", object, "spec.tls",
         "has no effect: all ports are HTTP: " + place_of(*known->object));
}

}  // namespace mesh::config
