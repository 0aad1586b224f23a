#include "discovery/compile/locality.h"

#include <array>
#include <cmath>

#include "base/text.h"

namespace mesh::discovery {
namespace {

// Region, zone, sub-zone; empty where not given.
std::array<std::string_view, 3> parts_of(std::string_view locality) {
  std::array<std::string_view, 3> result;
  size_t i = 0;
  for (const auto part : text::split(locality, '/'))
    if (i < result.size()) result[i++] = part;
  return result;
}

// Whether the locality lies within "REGION", "REGION/ZONE/*", "*".
bool within(std::string_view pattern, std::string_view locality) {
  const auto wanted = parts_of(pattern);
  const auto given = parts_of(locality);
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].empty() || wanted[i] == "*") return true;
    if (wanted[i] != given[i]) return false;
  }
  return true;
}

// Istio knows a locality by labels too.
void add_topology(std::string_view locality, Labels& labels) {
  const auto parts = parts_of(locality);
  constexpr std::string_view kKeys[] = {"topology.kubernetes.io/region",
                                        "topology.kubernetes.io/zone", "topology.istio.io/subzone"};
  for (size_t i = 0; i < parts.size(); ++i)
    if (!parts[i].empty()) labels.emplace(kKeys[i], parts[i]);
}

// As many as agree from the first on come off.
template <class Keys>
uint32_t distance_by_labels(const Keys& keys, const Labels& mine, const Labels& theirs) {
  uint32_t same = 0;
  for (const std::string& key : keys) {
    const size_t equals = key.find('=');
    const auto found = theirs.find(key.substr(0, equals));
    std::string wanted;
    if (equals != std::string::npos)
      wanted = key.substr(equals + 1);
    else if (const auto own = mine.find(key); own != mine.end())
      wanted = own->second;
    if ((found == theirs.end() ? std::string() : found->second) != wanted) break;
    ++same;
  }
  return uint32_t(keys.size()) - same;
}

}  // namespace

LocalityRule::LocalityRule(const istio::TrafficPolicy& policy, const Node& node,
                           const std::string& locality)
    : labels_(node.labels), locality_(locality) {
  if (policy.load_balancer().has_zone_aware_lb_setting()) {
    const auto& zones = policy.load_balancer().zone_aware_lb_setting();
    if (!zones.has_enabled() || zones.enabled().value()) zones_ = &zones;
    return;
  }
  const auto& setting = policy.load_balancer().locality_lb_setting();
  if (setting.has_enabled() && !setting.enabled().value()) return;
  add_topology(locality_, labels_);
  setting_ = &setting;
  if (!locality_.empty())
    for (const auto& distribute : setting.distribute())
      if (distribute_ == nullptr && within(distribute.from(), locality_)) distribute_ = &distribute;
  const bool known = !locality_.empty() || setting.failover_priority_size() > 0;
  failover_ = known && setting.distribute_size() == 0 && policy.has_outlier_detection();
}

std::map<std::string, uint32_t> LocalityRule::weights(
    const std::map<std::string, uint32_t>& sums) const {
  if (distribute_ == nullptr) return sums;
  std::map<std::string, uint32_t> result;
  for (const auto& [to, weight] : distribute_->to()) {
    double sum = 0;
    for (const auto& [locality, own] : sums)
      if (within(to, locality)) sum += own;
    for (const auto& [locality, own] : sums)
      if (within(to, locality) && !result.contains(locality))
        result[locality] = uint32_t(std::ceil(own * double(weight) / sum));
  }
  return result;
}

// Istio: by labels, then our region, the one that it fails over to, others; where ours is not
// known they are alike. So are the zones of one: the forwarder shares requests among them.
uint32_t LocalityRule::distance_by_zones(const Workload& workload) const {
  const uint32_t labels = distance_by_labels(zones_->failover_priority(), labels_, workload.labels);
  const auto mine = parts_of(locality_)[0];
  const auto its = parts_of(workload.locality)[0];
  uint32_t region = mine.empty() || mine == its ? 0 : 2;
  for (const auto& failover : zones_->failover()) {
    if (region == 0 || failover.from() != mine) continue;
    if (failover.to() == its) region = 1;
    break;
  }
  return labels * 3 + region;
}

uint32_t LocalityRule::distance(const Workload& workload) const {
  if (zones_ != nullptr) return distance_by_zones(workload);
  if (!failover_) return 0;
  if (setting_->failover_priority_size() > 0) {
    Labels theirs = workload.labels;
    add_topology(workload.locality, theirs);
    return distance_by_labels(setting_->failover_priority(), labels_, theirs);
  }
  const auto mine = parts_of(locality_);
  const auto its = parts_of(workload.locality);
  if (mine[0] == its[0]) return mine[1] != its[1] ? 2 : mine[2] != its[2] ? 1 : 0;
  // Another region: the one that ours fails over to comes before the others.
  for (const auto& failover : setting_->failover())
    if (failover.from() == mine[0]) return failover.to() == its[0] ? 3 : 4;
  return 3;
}

}  // namespace mesh::discovery
