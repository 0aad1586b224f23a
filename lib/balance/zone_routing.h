// ZoneRouting: which locality of a cluster the callers of one locality use, so
// that traffic stays in the zone as far as the load remains even.
//
// Semantics: Envoy, arch overview, "Zone aware routing": the callers of each zone
// (the local cluster's hosts) are weighed against the hosts there. What the own
// zone cannot take goes to those that have room. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"

namespace mesh::balance {

class ZoneRouting {
 public:
  // Of a locality: healthy callers there, and healthy hosts.
  struct Zone {
    uint64_t callers = 0;
    uint64_t hosts = 0;
  };
  enum class Way : uint8_t { Direct, Sampled, CrossZone, NoCapacity };

  // `own` is the index of the callers' own locality, or zones.size() where the
  // cluster has no host in it. `callers` is over all localities, also those where
  // the cluster has no host.
  void build(std::span<const Zone> zones, size_t own, uint64_t callers);

  // The index of a locality; `way` says how it came about.
  size_t pick(Random& random, Way& way) const;

 private:
  size_t own_ = 0;
  bool direct_ = false;
  uint64_t own_per_10000_ = 0;
  std::vector<uint64_t> residual_;  // running sum of the room that each has
};

}  // namespace mesh::balance
