#include "balance/random.h"

namespace mesh::balance {

void RandomPicker::rebuild() {
  if (uniform()) return;
  std::vector<double> weights;
  weights.reserve(members_.size());
  for (const Member& m : members_) weights.push_back(m.weight);
  weighted_.build(weights);
}

HostIndex RandomPicker::choose(Random& random, uint64_t, uint32_t) {
  const size_t i = uniform() ? size_t(random.below(members_.size())) : weighted_.draw(random);
  return members_[i].host;
}

}  // namespace mesh::balance
