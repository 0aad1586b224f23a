// DeadlineHeap: earliest deadline first: an entry of weight w is due every 1/w,
// and the one that is due first is next, so that 3:1 gives a a b a and not a a a b
// (Envoy's EDF scheduler). O(log n), no allocation but in build().
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"

namespace mesh::balance {

class DeadlineHeap {
 public:
  // Weights over 0. Each begins somewhere in its own period: after a change the
  // heavy one is not always first, nor are all workers in step.
  void build(std::span<const double> weights, Random& random);
  // The same entries with other weights: what is left of each period shrinks or
  // grows with its weight.
  void reweigh(std::span<const double> weights);

  // The index of the next; there is at least one.
  uint32_t next();
  bool empty() const { return heap_.empty(); }

 private:
  struct Due {
    double at;
    double weight;
    uint32_t index;
  };
  static bool before(const Due& a, const Due& b) {
    return a.at != b.at ? a.at < b.at : a.index < b.index;
  }
  void sift_down(size_t i);

  std::vector<Due> heap_;  // the first is due first
  double now_ = 0;
};

}  // namespace mesh::balance
