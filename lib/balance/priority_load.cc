#include "balance/priority_load.h"

#include <algorithm>

namespace mesh::balance {
namespace {

struct Availability {
  uint32_t healthy;
  uint32_t degraded;
};

Availability availability_of(const PriorityHealth& p, const PriorityRules& rules) {
  const double all = rules.weighted ? p.weight : double(p.hosts);
  if (all <= 0) return {0, 0};
  const auto percent = [&](double part) {
    return uint32_t(std::min(100.0, rules.overprovisioning_percent * part / all));
  };
  return {percent(rules.weighted ? p.healthy_weight : double(p.healthy)),
          percent(rules.weighted ? p.degraded_weight : double(p.degraded))};
}

// Gives out `left` by availability; returns the first priority that has any.
template <class Get, class Set>
size_t give(std::span<const Availability> all, uint32_t total, uint32_t& left, Get get, Set set) {
  size_t first = all.size();
  for (size_t i = 0; i < all.size(); ++i) {
    const uint32_t available = get(all[i]);
    if (first == all.size() && available > 0) first = i;
    const uint32_t share = std::min(left, available * 100 / total);
    set(i, share);
    left -= share;
  }
  return first;
}

// Nobody is well anywhere: by number of hosts.
void distribute_in_panic(std::span<const PriorityHealth> priorities,
                         std::vector<PriorityShare>& shares) {
  uint64_t hosts = 0;
  for (const auto& p : priorities) hosts += p.hosts;
  uint32_t left = 100;
  size_t first = 0;
  if (hosts > 0) {
    while (priorities[first].hosts == 0) ++first;
    for (size_t i = 0; i < shares.size(); ++i) {
      shares[i].healthy_percent = uint32_t(100 * priorities[i].hosts / hosts);
      shares[i].degraded_percent = 0;
      left -= shares[i].healthy_percent;
    }
  }
  shares[first].healthy_percent += left;
}

}  // namespace

std::vector<PriorityShare> distribute(std::span<const PriorityHealth> priorities,
                                      const PriorityRules& rules) {
  std::vector<PriorityShare> shares(priorities.size());
  if (priorities.empty()) return shares;
  std::vector<Availability> all;
  uint32_t total = 0;
  for (const auto& p : priorities) {
    all.push_back(availability_of(p, rules));
    total = std::min(100U, total + all.back().healthy + all.back().degraded);
  }
  if (total > 0) {
    uint32_t left = 100;
    const size_t healthy = give(
        all, total, left, [](const Availability& a) { return a.healthy; },
        [&](size_t i, uint32_t share) { shares[i].healthy_percent = share; });
    const size_t degraded = give(
        all, total, left, [](const Availability& a) { return a.degraded; },
        [&](size_t i, uint32_t share) { shares[i].degraded_percent = share; });
    // What rounding has left.
    if (healthy < shares.size())
      shares[healthy].healthy_percent += left;
    else
      shares[degraded].degraded_percent += left;
  }
  if (rules.healthy_panic_percent <= 0 && total == 0) {
    shares[0].healthy_percent = 100;  // to nobody: there is no panic
    return shares;
  }
  bool everywhere = true;
  for (size_t i = 0; i < shares.size(); ++i) {
    const auto& p = priorities[i];
    const double available =
        p.hosts == 0 ? 0 : 100.0 * double(p.healthy + p.degraded) / double(p.hosts);
    shares[i].panic = total < 100 && available < rules.healthy_panic_percent;
    everywhere &= shares[i].panic;
  }
  if (everywhere) distribute_in_panic(priorities, shares);
  return shares;
}

}  // namespace mesh::balance
