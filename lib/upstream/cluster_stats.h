// Cluster statistics under Envoy's names ("Cluster manager / Statistics"): what a
// cluster's shared state and its workers' counts amount to. Main thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "upstream/cluster_spec.h"

namespace mesh::upstream {

struct ClusterStat {
  std::string name;  // "upstream_rq_total", "health_check.attempt", ...
  uint64_t value = 0;
  bool gauge = false;
};

std::vector<ClusterStat> cluster_stats(const ClusterSpec& cluster, Instant now);

}  // namespace mesh::upstream
