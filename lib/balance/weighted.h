// Weighted: draws by weight in constant time (Vose's alias method).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"

namespace mesh::balance {

class Weighted {
 public:
  // Weights above zero, at least one. O(n).
  void build(std::span<const double> weights);

  // An index into the weights, as likely as its share.
  size_t draw(Random& random) const;

 private:
  struct Slot {
    uint64_t keep = 0;  // keeps the draw below this of 2^32, else gives the alias
    uint32_t alias = 0;
  };
  std::vector<Slot> slots_;
};

}  // namespace mesh::balance
