#include "balance/zone_routing.h"

#include <algorithm>

namespace mesh::balance {

void ZoneRouting::build(std::span<const Zone> zones, size_t own, uint64_t callers) {
  uint64_t hosts = 0;
  for (const Zone& zone : zones) hosts += zone.hosts;
  const auto share = [](uint64_t part, uint64_t all) { return all == 0 ? 0 : 10000 * part / all; };
  own_ = own;
  direct_ = false;
  own_per_10000_ = 0;
  if (own < zones.size()) {
    const uint64_t calls = share(zones[own].callers, callers);
    const uint64_t room = share(zones[own].hosts, hosts);
    direct_ = room > 0 && room >= calls;
    if (calls > 0) own_per_10000_ = room * 10000 / calls;
  }
  residual_.clear();
  uint64_t sum = 0;
  for (size_t i = 0; i < zones.size(); ++i) {
    const uint64_t calls = share(zones[i].callers, callers);
    const uint64_t room = share(zones[i].hosts, hosts);
    if (i != own && room > calls) sum += room - calls;
    residual_.push_back(sum);
  }
}

size_t ZoneRouting::pick(Random& random, Way& way) const {
  if (direct_) {
    way = Way::Direct;
    return own_;
  }
  if (random.below(10000) < own_per_10000_) {
    way = Way::Sampled;
    return own_;
  }
  if (residual_.back() == 0) {  // rounding
    way = Way::NoCapacity;
    return size_t(random.below(residual_.size()));
  }
  way = Way::CrossZone;
  const uint64_t at = random.below(residual_.back());
  return size_t(std::upper_bound(residual_.begin(), residual_.end(), at) - residual_.begin());
}

}  // namespace mesh::balance
