// PriorityLoad: what share of the requests each priority gets.
//
// Semantics: Envoy, arch overview, "Priority levels", "Degraded endpoints",
// "Panic threshold": a priority's health is its available share times the
// overprovisioning factor, at most 100; load spills over to the next priorities,
// healthy hosts first, then degraded ones; where all are in panic, by number of
// hosts. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace mesh::balance {

struct PriorityHealth {
  uint64_t hosts = 0;
  uint64_t healthy = 0;
  uint64_t degraded = 0;
  // In weights, counted instead of hosts where `weighted` is asked for.
  double weight = 0;
  double healthy_weight = 0;
  double degraded_weight = 0;
};

struct PriorityShare {
  uint32_t healthy_percent = 0;
  uint32_t degraded_percent = 0;
  bool panic = false;
};

struct PriorityRules {
  double healthy_panic_percent = 50;
  uint32_t overprovisioning_percent = 140;
  bool weighted = false;
};

// One a priority; their percentages sum to 100 where there is a priority at all.
std::vector<PriorityShare> distribute(std::span<const PriorityHealth> priorities,
                                      const PriorityRules& rules);

}  // namespace mesh::balance
