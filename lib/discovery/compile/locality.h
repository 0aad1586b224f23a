// LocalityRule: in which order and with which weights a node uses the localities of
// a service: localityLbSetting, or zoneAwareLbSetting.
//
// Istio, "Locality Load Balancing": failover needs outlier detection, which alone can
// tell that a locality fails, and a caller that knows where it is; distribute needs
// the latter. Zone-aware balancing keeps regions apart in any case. Inside of
// lib/discovery/compile only.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "discovery/model.h"

namespace mesh::discovery {

class LocalityRule {
 public:
  // `policy` outlives us.
  LocalityRule(const istio::TrafficPolicy& policy, const Node& node, const std::string& locality);

  // Localities are weighted: the cluster is to heed their weights.
  bool weighted() const { return distribute_ != nullptr; }
  // The weight of each locality (0: it gets nothing), of the sums of the weights of
  // its endpoints.
  std::map<std::string, uint32_t> weights(const std::map<std::string, uint32_t>& sums) const;
  // How far off the endpoint is, from 0; to be made contiguous by who collects them.
  uint32_t distance(const Workload& workload) const;

 private:
  using Setting = istio::LocalityLoadBalancerSetting;
  using Zones = istio::ZoneAwareLoadBalancerSetting;
  uint32_t distance_by_zones(const Workload& workload) const;

  const Setting* setting_ = nullptr;  // null: localities are alike
  const Setting::Distribute* distribute_ = nullptr;
  const Zones* zones_ = nullptr;  // not null: in the place of failover
  bool failover_ = false;
  Labels labels_;  // the caller's, and where it is as labels
  std::string locality_;
};

}  // namespace mesh::discovery
