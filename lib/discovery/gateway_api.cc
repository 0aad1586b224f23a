#include "discovery/gateway_api.h"

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <utility>

#include "base/text.h"
#include "discovery/gateway_api_rules.h"
#include "discovery/model.h"

namespace mesh::discovery {
namespace {

// What VirtualServices are made for: routes at a parent. Those of a Gateway go by the same
// order whatever their namespaces.
struct Scope {
  std::string ns;       // empty: of any
  std::string gateway;  // NAMESPACE/NAME; empty: calls inside of the mesh
  std::string host;
  bool own_only = false;  // a service of another namespace: for callers of `ns`
  auto operator<=>(const Scope&) const = default;
};

// A rule, and where it stands among equals: by namespace and name of its route.
struct Placed {
  GatewayApiRule rule;
  std::pair<std::string, std::string> route;
  uint32_t port = 0;  // 0: every
};

// Exact hosts first, then the longer pattern.
bool more_exact(const std::string& a, const std::string& b) {
  const auto rank = [](const std::string& host) {
    return std::pair(host.starts_with('*'), -std::ptrdiff_t(host.size()));
  };
  return rank(a) < rank(b);
}

class Converter {
 public:
  explicit Converter(Objects& objects) : objects_(objects) {
    for (const auto& entry : objects_.service_entries)
      for (const auto& host : entry.spec.hosts()) hosts_.insert(text::to_lower(host));
  }

  template <class Route>
  void add(const Object<Route>& route) {
    const auto resolve = [this](const std::string& host, const std::string& ns) {
      return this->resolve(host, ns);
    };
    const std::vector<GatewayApiRule> rules = rules_of(route, resolve);
    for (const auto& parent : route.spec.parent_refs()) {
      const std::string ns = parent.namespace_().empty() ? route.ns : parent.namespace_();
      if (parent.kind() == "Service") {
        place({route.ns, "", resolve(parent.name(), ns), ns != route.ns}, parent.port(), route,
              rules);
        continue;
      }
      std::vector<std::string> hosts(route.spec.hostnames().begin(), route.spec.hostnames().end());
      if (hosts.empty()) hosts.emplace_back("*");
      for (const uint32_t port : ports_of(parent, ns))
        for (const auto& host : hosts)
          place({"", ns + "/" + parent.name(), text::to_lower(host)}, port, route, rules);
    }
  }

  // Where routes of several namespaces stand between each other, each VirtualService is of
  // one, and their order is that of the rules.
  void finish() {
    std::vector<std::pair<const Scope*, std::vector<Placed>*>> scopes;
    for (auto& [scope, placed] : scopes_) scopes.emplace_back(&scope, &placed);
    std::stable_sort(scopes.begin(), scopes.end(), [](const auto& a, const auto& b) {
      return more_exact(a.first->host, b.first->host);
    });
    for (const auto& [scope, placed] : scopes) {
      std::stable_sort(placed->begin(), placed->end(), [](const Placed& a, const Placed& b) {
        if (a.rule.rank != b.rule.rank) return a.rule.rank > b.rule.rank;
        return a.route < b.route;
      });
      for (auto begin = placed->begin(); begin != placed->end();) {
        const auto end = std::find_if(begin, placed->end(), [&](const Placed& one) {
          return one.route.first != begin->route.first;
        });
        objects_.virtual_services.append(make(*scope, {begin, end}));
        begin = end;
      }
    }
  }

 private:
  std::string resolve(const std::string& host, const std::string& ns) const {
    const std::string lower = text::to_lower(host);
    if (lower.find('.') != std::string::npos || hosts_.contains(lower)) return lower;
    return lower + "." + ns + ".svc." + Model::Options().domain;
  }

  // The ports of the Gateway's servers that the reference means; {0}: all.
  std::vector<uint32_t> ports_of(const gateway_api::ParentReference& parent,
                                 const std::string& ns) const {
    if (parent.section_name().empty()) return {parent.port()};
    std::set<uint32_t> ports;
    const auto* const gateway = objects_.gateways.find(ns, parent.name());
    if (gateway == nullptr) return {};
    for (const auto& server : gateway->spec.servers()) {
      const bool named =
          server.name() == parent.section_name() || server.port().name() == parent.section_name();
      if (named && (parent.port() == 0 || parent.port() == server.port().number()))
        ports.insert(server.port().number());
    }
    return {ports.begin(), ports.end()};
  }

  static Object<istio::VirtualService> make(const Scope& scope, std::span<const Placed> placed) {
    Object<istio::VirtualService> made;
    made.ns = placed.front().route.first;
    made.name = placed.front().route.second;
    made.spec.add_hosts(scope.host);
    if (!scope.gateway.empty()) made.spec.add_gateways(scope.gateway);
    if (scope.own_only) made.spec.add_export_to(".");
    for (const Placed& one : placed)
      for (const auto& route : one.rule.routes) {
        auto& http = *made.spec.add_http();
        http = route;
        for (auto& match : *http.mutable_match()) match.set_port(one.port);
        made.origins.push_back(one.rule.origin);
      }
    return made;
  }

  template <class Route>
  void place(const Scope& scope, uint32_t port, const Object<Route>& route,
             const std::vector<GatewayApiRule>& rules) {
    auto& placed = scopes_[scope];
    for (const auto& rule : rules) placed.push_back({rule, {route.ns, route.name}, port});
    if (placed.empty()) scopes_.erase(scope);
  }

  Objects& objects_;
  std::set<std::string> hosts_;
  std::map<Scope, std::vector<Placed>> scopes_;
};

}  // namespace

void add_gateway_api(const GatewayApiRoutes& routes, Objects& objects) {
  if (routes.http.empty() && routes.grpc.empty()) return;
  Converter converter(objects);
  for (const auto& route : routes.http) converter.add(route);
  for (const auto& route : routes.grpc) converter.add(route);
  converter.finish();
}

}  // namespace mesh::discovery
