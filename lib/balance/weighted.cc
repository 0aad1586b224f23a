#include "balance/weighted.h"

#include "base/check.h"

namespace mesh::balance {

void Weighted::build(std::span<const double> weights) {
  MESH_CHECK(!weights.empty());
  const size_t n = weights.size();
  double sum = 0;
  for (const double weight : weights) sum += weight;
  // In units where the mean weight is 1: who has less than the mean gives the
  // rest of its slot to one who has more.
  std::vector<double> share(n);
  std::vector<uint32_t> poor;
  std::vector<uint32_t> rich;
  for (uint32_t i = 0; i < n; ++i) {
    share[i] = weights[i] * double(n) / sum;
    (share[i] < 1.0 ? poor : rich).push_back(i);
  }
  slots_.assign(n, Slot{uint64_t(1) << 32, 0});
  while (!poor.empty() && !rich.empty()) {
    const uint32_t small = poor.back();
    const uint32_t large = rich.back();
    poor.pop_back();
    slots_[small] = {uint64_t(share[small] * 0x1.0p32), large};
    share[large] -= 1.0 - share[small];
    if (share[large] < 1.0) {
      rich.pop_back();
      poor.push_back(large);
    }
  }
}

size_t Weighted::draw(Random& random) const {
  const size_t i = size_t(random.below(slots_.size()));
  return (random.next() >> 32) < slots_[i].keep ? i : slots_[i].alias;
}

}  // namespace mesh::balance
