// Host: an endpoint as balancing sees it; Group: where it stands.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace mesh::balance {

// Coarse health (Envoy's Host::coarseHealth), and why a host is not in use.
enum class Health : uint8_t {
  Healthy,
  Degraded,   // used when healthy ones do not suffice
  Draining,   // not used, but for sticky sessions where these ask for it
  Unhealthy,  // not used, but in panic
  Excluded,   // not checked yet: as Unhealthy, and in no count
};

// Endpoint metadata "envoy.lb": keys in order, values as canonical text.
using Metadata = std::vector<std::pair<std::string, std::string>>;

// What is pointed to outlives the balancer.
struct Host {
  uint32_t weight = 1;  // 0 counts as 1
  Health health = Health::Healthy;
  uint32_t group = 0;  // index of a Group
  // Requests in flight; may be null (counts as 0).
  const std::atomic<uint32_t>* active = nullptr;
  std::string_view address = {};  // "10.0.0.1:80"
  std::string_view key = {};      // of consistent hashing; empty: the address
  const Metadata* metadata = nullptr;
  // Since when it is up, for slow start; Instant::min(): for long.
  Instant up_since = Instant::min();
};

// The hosts of a locality in a priority (Envoy's LocalityLbEndpoints).
struct Group {
  uint32_t priority = 0;
  uint32_t weight = 0;  // of the locality; 0: gets nothing where localities are weighted
  bool own = false;     // the locality of the callers
};

// Who calls, for zone-aware routing: the healthy hosts of the callers' own cluster.
struct Callers {
  std::vector<uint64_t> by_group;  // in each group's locality
  uint64_t total = 0;              // over all localities, known to the cluster or not
  size_t localities = 0;
  bool panic = false;  // of their own cluster
};

// What a balancer did, for metrics. Names are Envoy's.
struct Stats {
  enum Event : uint8_t {
    HealthyPanic,
    ZoneRoutingAllDirectly,
    ZoneRoutingSampled,
    ZoneRoutingCrossZone,
    ZoneNoCapacityLeft,
    ZoneClusterTooSmall,
    LocalClusterNotOk,
    SubsetsSelected,
    SubsetsFallback,
    kEvents
  };
  static constexpr std::string_view kNames[kEvents] = {
      "lb_healthy_panic",           "lb_zone_routing_all_directly", "lb_zone_routing_sampled",
      "lb_zone_routing_cross_zone", "lb_zone_no_capacity_left",     "lb_zone_cluster_too_small",
      "lb_local_cluster_not_ok",    "lb_subsets_selected",          "lb_subsets_fallback"};

  uint64_t counts[kEvents] = {};
  uint64_t total = 0;  // of all of them: whether there is news

  void count(Event event) {
    ++counts[event];
    ++total;
  }
};

}  // namespace mesh::balance
