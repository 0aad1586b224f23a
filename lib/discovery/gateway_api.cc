#include "discovery/gateway_api.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "base/text.h"
#include "discovery/gateway_api_rules.h"
#include "discovery/model.h"

namespace mesh::discovery {
namespace {

// What a VirtualService is made for: routes of `ns` at a parent.
struct Scope {
  std::string ns;
  std::string gateway;  // NAMESPACE/NAME; empty: calls inside of the mesh
  std::string host;
  bool own_only = false;  // a service of another namespace: for callers of `ns`
  auto operator<=>(const Scope&) const = default;
};

// A rule, and where it stands among equals: by namespace and name of its route.
struct Placed {
  GatewayApiRule rule;
  std::string route;
  uint32_t port = 0;  // 0: every
};

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
        place({route.ns, "", resolve(parent.name(), ns), ns != route.ns}, parent.port(), route.name,
              rules);
        continue;
      }
      std::vector<std::string> hosts(route.spec.hostnames().begin(), route.spec.hostnames().end());
      if (hosts.empty()) hosts.emplace_back("*");
      for (const uint32_t port : ports_of(parent, ns))
        for (const auto& host : hosts)
          place({route.ns, ns + "/" + parent.name(), text::to_lower(host)}, port, route.name,
                rules);
    }
  }

  void finish() {
    for (auto& [scope, placed] : scopes_) {
      std::stable_sort(placed.begin(), placed.end(), [](const Placed& a, const Placed& b) {
        if (a.rule.rank != b.rule.rank) return a.rule.rank > b.rule.rank;
        return a.route < b.route;
      });
      Object<istio::VirtualService> made;
      made.ns = scope.ns;
      made.name = placed.front().route;
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
      objects_.virtual_services.append(std::move(made));
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
    for (const auto& gateway : objects_.gateways) {
      if (gateway.ns != ns || gateway.name != parent.name()) continue;
      for (const auto& server : gateway.spec.servers()) {
        const bool named =
            server.name() == parent.section_name() || server.port().name() == parent.section_name();
        if (named && (parent.port() == 0 || parent.port() == server.port().number()))
          ports.insert(server.port().number());
      }
    }
    return {ports.begin(), ports.end()};
  }

  void place(const Scope& scope, uint32_t port, const std::string& route,
             const std::vector<GatewayApiRule>& rules) {
    auto& placed = scopes_[scope];
    for (const auto& rule : rules) placed.push_back({rule, route, port});
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
