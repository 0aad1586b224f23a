#include "discovery/delegates.h"

#include <algorithm>
#include <optional>

#include "discovery/model.h"

namespace mesh::discovery {
namespace {

using istio::HTTPMatchRequest;
using istio::HTTPRoute;
using istio::StringMatch;
using Routing = Object<istio::VirtualService>;
using Routes = google::protobuf::RepeatedPtrField<HTTPRoute>;
using Matches = google::protobuf::RepeatedPtrField<HTTPMatchRequest>;

// Whether no text could match both; a regex agrees with nothing but silence.
bool conflict(const StringMatch& root, const StringMatch& leaf) {
  if (root.has_regex() || leaf.has_regex()) return true;
  if (root.has_exact()) return !leaf.has_exact() || leaf.exact() != root.exact();
  if (root.has_prefix()) {
    const std::string& text = leaf.has_exact() ? leaf.exact() : leaf.prefix();
    return !text.starts_with(root.prefix());
  }
  return true;
}

template <class Map>
bool conflict_in(const Map& root, const Map& leaf) {
  return std::any_of(leaf.begin(), leaf.end(), [&](const auto& entry) {
    const auto found = root.find(entry.first);
    return found != root.end() && conflict(found->second, entry.second);
  });
}

bool conflict(const HTTPMatchRequest& root, const HTTPMatchRequest& leaf) {
  if (root.has_uri() && leaf.has_uri() && conflict(root.uri(), leaf.uri())) return true;
  if (root.has_scheme() && leaf.has_scheme() && conflict(root.scheme(), leaf.scheme())) return true;
  if (root.has_method() && leaf.has_method() && conflict(root.method(), leaf.method())) return true;
  if (root.has_authority() && leaf.has_authority() && conflict(root.authority(), leaf.authority()))
    return true;
  if (conflict_in(root.headers(), leaf.headers()) ||
      conflict_in(root.without_headers(), leaf.without_headers()) ||
      conflict_in(root.query_params(), leaf.query_params()))
    return true;
  if (root.ignore_uri_case() != leaf.ignore_uri_case()) return true;
  if (root.port() != 0 && leaf.port() != 0 && root.port() != leaf.port()) return true;
  if (!root.source_namespace().empty() && !leaf.source_namespace().empty() &&
      root.source_namespace() != leaf.source_namespace())
    return true;
  for (const auto& [key, value] : leaf.source_labels())
    if (const auto found = root.source_labels().find(key);
        found != root.source_labels().end() && found->second != value)
      return true;
  if (root.gateways().empty()) return false;
  return std::any_of(leaf.gateways().begin(), leaf.gateways().end(), [&](const auto& gateway) {
    return std::find(root.gateways().begin(), root.gateways().end(), gateway) ==
           root.gateways().end();
  });
}

std::string join_names(const std::string& root, const std::string& leaf) {
  return root.empty() || leaf.empty() ? root + leaf : root + "-" + leaf;
}

// Both hold: what the leaf says is narrower, the rest is the root's.
HTTPMatchRequest merge(const HTTPMatchRequest& root, const HTTPMatchRequest& leaf) {
  HTTPMatchRequest merged = root;
  merged.clear_gateways();
  if (!leaf.stat_prefix().empty()) merged.set_stat_prefix(leaf.stat_prefix());
  if (leaf.has_uri()) *merged.mutable_uri() = leaf.uri();
  if (leaf.has_scheme()) *merged.mutable_scheme() = leaf.scheme();
  if (leaf.has_method()) *merged.mutable_method() = leaf.method();
  if (leaf.has_authority()) *merged.mutable_authority() = leaf.authority();
  for (const auto& [name, match] : leaf.headers()) (*merged.mutable_headers())[name] = match;
  for (const auto& [name, match] : leaf.without_headers())
    (*merged.mutable_without_headers())[name] = match;
  for (const auto& [name, match] : leaf.query_params())
    (*merged.mutable_query_params())[name] = match;
  for (const auto& [name, value] : leaf.source_labels())
    (*merged.mutable_source_labels())[name] = value;
  if (leaf.port() != 0) merged.set_port(leaf.port());
  if (!leaf.source_namespace().empty()) merged.set_source_namespace(leaf.source_namespace());
  *merged.mutable_gateways() = leaf.gateways().empty() ? root.gateways() : leaf.gateways();
  merged.set_name(join_names(root.name(), leaf.name()));
  return merged;
}

// A route, and what it was written as.
struct Rule {
  const HTTPRoute& route;
  const std::string origin;

  std::string match(int index) const { return origin + ".match[" + std::to_string(index) + "]"; }
};

std::string origin_of_route(const Routing& service, int index) {
  return origin_of("VirtualService", service.ns, service.name,
                   "http[" + std::to_string(index) + "]");
}

// Nothing where a match of the leaf agrees with none of the root's.
std::optional<Matches> merge(const Rule& root_rule, const Rule& leaf_rule,
                             std::vector<std::string>& origins) {
  const Matches& root = root_rule.route.match();
  const Matches& leaf = leaf_rule.route.match();
  if (root.empty() || leaf.empty()) {
    const Rule& only = leaf.empty() ? root_rule : leaf_rule;
    for (int i = 0; i < only.route.match_size(); ++i) origins.push_back(only.match(i));
    return leaf.empty() ? root : leaf;
  }
  Matches merged;
  for (int i = 0; i < leaf.size(); ++i) {
    const int before = merged.size();
    for (const auto& wide : root) {
      if (conflict(wide, leaf[i])) continue;
      *merged.Add() = merge(wide, leaf[i]);
      origins.push_back(leaf_rule.match(i));
    }
    if (merged.size() == before) return std::nullopt;
  }
  return merged;
}

void add_merged(const Rule& root_rule, const Rule& leaf_rule, Routes& to,
                std::vector<RuleOrigin>& origins) {
  const HTTPRoute& root = root_rule.route;
  const HTTPRoute& leaf = leaf_rule.route;
  RuleOrigin origin;
  const auto matches = merge(root_rule, leaf_rule, origin.matches);
  if (!matches) return;
  origin.rule = leaf_rule.origin;
  for (const auto& [field, inherited] :
       {std::pair{"timeout", !leaf.has_timeout() && root.has_timeout()},
        std::pair{"retries", !leaf.has_retries() && root.has_retries()},
        std::pair{"fault", !leaf.has_fault() && root.has_fault()}})
    if (inherited) origin.elsewhere[field] = root_rule.origin + "." + field;
  origins.push_back(std::move(origin));
  auto& merged = *to.Add();
  merged = leaf;
  *merged.mutable_match() = *matches;
  merged.set_name(join_names(root.name(), leaf.name()));
  if (!leaf.has_rewrite() && root.has_rewrite()) *merged.mutable_rewrite() = root.rewrite();
  if (!leaf.has_timeout() && root.has_timeout()) *merged.mutable_timeout() = root.timeout();
  if (!leaf.has_retries() && root.has_retries()) *merged.mutable_retries() = root.retries();
  if (!leaf.has_fault() && root.has_fault()) *merged.mutable_fault() = root.fault();
  if (!leaf.has_headers() && root.has_headers()) *merged.mutable_headers() = root.headers();
  if (!leaf.has_mirror() && root.has_mirror()) *merged.mutable_mirror() = root.mirror();
  if (!leaf.has_mirror_percentage() && root.has_mirror_percentage())
    *merged.mutable_mirror_percentage() = root.mirror_percentage();
  if (leaf.mirrors().empty()) *merged.mutable_mirrors() = root.mirrors();
  if (!leaf.has_cors_policy() && root.has_cors_policy())
    *merged.mutable_cors_policy() = root.cors_policy();
}

bool delegates(const Routing& service) {
  return std::any_of(service.spec.http().begin(), service.spec.http().end(),
                     [](const HTTPRoute& route) { return route.has_delegate(); });
}

}  // namespace

void resolve_delegates(List<istio::VirtualService>& services) {
  for (size_t at = 0; at < services.size(); ++at) {
    const Routing& root = services[at];
    if (root.spec.hosts().empty() || !delegates(root)) continue;
    Routing resolved = root;
    Routes routes;
    std::vector<RuleOrigin> origins;
    for (int i = 0; i < root.spec.http_size(); ++i) {
      const auto& route = root.spec.http(i);
      const Rule rule{route, origin_of_route(root, i)};
      if (!route.has_delegate()) {
        *routes.Add() = route;
        auto& origin = origins.emplace_back(RuleOrigin{rule.origin, {}, {}});
        for (int m = 0; m < route.match_size(); ++m) origin.matches.push_back(rule.match(m));
        continue;
      }
      const auto& ref = route.delegate();
      const Routing* const leaf =
          services.find(ref.namespace_().empty() ? root.ns : ref.namespace_(), ref.name());
      if (leaf == nullptr || !leaf->spec.hosts().empty() || delegates(*leaf) ||
          !visible(leaf->spec.export_to(), leaf->ns, root.ns))
        continue;
      for (int k = 0; k < leaf->spec.http_size(); ++k)
        add_merged(rule, {leaf->spec.http(k), origin_of_route(*leaf, k)}, routes, origins);
    }
    *resolved.spec.mutable_http() = std::move(routes);
    resolved.origins = std::move(origins);
    services.put(std::move(resolved));
  }
  services.erase_if([](const Routing& service) { return service.spec.hosts().empty(); });
}

}  // namespace mesh::discovery
