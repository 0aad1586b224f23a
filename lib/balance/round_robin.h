// RoundRobin: each host in its turn, by weight the heavier more often. A counter
// with one weight, else O(log n).
#pragma once

#include "balance/deadline_heap.h"
#include "balance/picker.h"

namespace mesh::balance {

class RoundRobin final : public Picker {
 public:
  explicit RoundRobin(uint64_t seed) : next_(seed), random_(seed + 1) {}

  HostIndex choose(Random& random, uint64_t hash, uint32_t attempt) override;
  void reweigh(std::span<const double> weights) override;

 private:
  void rebuild() override;

  uint64_t next_;  // with one weight
  Random random_;
  DeadlineHeap heap_;  // with several
};

}  // namespace mesh::balance
