#include "forward/warming.h"

#include <algorithm>

#include "base/log.h"
#include "upstream/health_checker.h"

namespace mesh::forward {

using upstream::ClusterSpec;

// What changes again while it is waited for gets no more time.
bool Warming::ready(const ClusterSpec& next, const ClusterSpec* now, bool known, Instant at) {
  const bool in_use = now != nullptr && !now->cold && now->config == next.config;
  if (in_use || (known && !upstream::awaits_first_check(next))) {
    since_.erase(next.name());
    return true;
  }
  const auto since = since_.try_emplace(next.name(), at).first;
  if (at - since->second < longest_) return false;
  log::warning(
      "going on with a cluster that is not ready",
      {{"cluster", next.name()}, {"awaited", known ? "first health checks" : "endpoints"}});
  since_.erase(since);
  return true;
}

void Warming::keep_only(const xds::Config& config) {
  std::erase_if(since_, [&](const auto& entry) { return !config.clusters.contains(entry.first); });
}

std::optional<Instant> Warming::next() const {
  std::optional<Instant> first;
  for (const auto& [name, since] : since_)
    if (const Instant end = since + longest_; !first || end < *first) first = end;
  return first;
}

std::vector<std::string> Warming::names() const {
  std::vector<std::string> names;
  for (const auto& [name, since] : since_) names.push_back(name);
  return names;
}

}  // namespace mesh::forward
