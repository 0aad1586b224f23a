#include "route/hold_back.h"

#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

namespace mesh::route {
namespace {

bool all_ready(const VirtualHost& host, const ReadyCluster& ready) {
  return std::all_of(host.routes.begin(), host.routes.end(), [&](const Route& route) {
    return std::all_of(
        route.clusters.begin(), route.clusters.end(),
        [&](const WeightedCluster& to) { return !to.cluster_header.empty() || ready(to.cluster); });
  });
}

}  // namespace

std::shared_ptr<const Table> hold_back(const std::shared_ptr<const Table>& next,
                                       const Table& former, const ReadyCluster& ready) {
  std::unordered_map<std::string_view, const VirtualHost*> known;
  for (const VirtualHost& host : former.hosts()) known.emplace(host.name, &host);
  std::unordered_map<const VirtualHost*, const VirtualHost*> held;
  for (const VirtualHost& host : next->hosts()) {
    if (all_ready(host, ready)) continue;
    const auto before = known.find(host.name);
    if (before != known.end() && all_ready(*before->second, ready))
      held.emplace(&host, before->second);
  }
  if (held.empty()) return next;
  std::vector<VirtualHost> hosts;
  hosts.reserve(next->hosts().size());
  for (const VirtualHost& host : next->hosts()) {
    hosts.push_back(host);
    if (const auto at = held.find(&host); at != held.end())
      hosts.back().routes = at->second->routes;
  }
  // Limits of the whole may be passed: then nothing is held back.
  auto built = Table::build(next->name(), std::move(hosts), next->options());
  return built ? *std::move(built) : next;
}

}  // namespace mesh::route
