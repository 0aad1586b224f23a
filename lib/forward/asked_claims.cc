#include "forward/asked_claims.h"

#include <set>
#include <unordered_set>

#include "authz/rules.h"
#include "xds/jwt_authn.h"

namespace mesh::forward {
namespace {

using Paths = std::set<std::vector<std::string>>;

void add_rules(const route::FilterConfig* config, Paths& paths) {
  const auto* const rbac = route::value_of<authz::Rbac>(config);
  if (rbac == nullptr || rbac->rules == nullptr) return;
  for (const route::ClaimRule& rule : rbac->rules->claims()) paths.insert(rule.path);
}

void add_headers(const xds::JwtAuthn& tokens, Paths& paths) {
  for (const xds::JwtProvider& provider : tokens.providers) {
    if (provider.payload_name.empty()) continue;
    for (const auto& header : provider.claim_headers) {
      std::vector<std::string> path{provider.payload_name};
      path.insert(path.end(), header.path.begin(), header.path.end());
      paths.insert(std::move(path));
    }
  }
}

void add_routes(const route::Table& routes, Paths& paths) {
  std::unordered_set<const route::FilterOverrides*> seen;
  for (const route::VirtualHost& host : routes.hosts()) {
    for (const route::Route& route : host.routes) {
      for (const route::ClaimRule& rule : route.match.claims) paths.insert(rule.path);
      if (route.filters == nullptr || !seen.insert(route.filters.get()).second) continue;
      for (const route::FilterOverride& override : *route.filters)
        add_rules(override.config.get(), paths);
    }
  }
}

}  // namespace

std::vector<std::vector<std::string>> asked_claims(const std::vector<xds::HttpFilter>& filters,
                                                   const route::Table* routes) {
  Paths paths;
  bool verified = false;
  for (const xds::HttpFilter& filter : filters) {
    add_rules(filter.config.get(), paths);
    const auto* const tokens = route::value_of<xds::JwtAuthn>(filter.config.get());
    if (tokens == nullptr || tokens->providers.empty()) continue;
    verified = true;
    add_headers(*tokens, paths);
  }
  if (!verified) return {};
  if (routes != nullptr) add_routes(*routes, paths);
  std::vector<std::vector<std::string>> all(paths.begin(), paths.end());
  if (all.size() > kAskedClaimsMax) all.resize(kAskedClaimsMax);
  return all;
}

}  // namespace mesh::forward
