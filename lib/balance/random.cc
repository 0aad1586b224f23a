#include "balance/random.h"

namespace mesh::balance {

RandomPicker::RandomPicker(std::vector<Host> hosts, const Options& options)
    : Picker(std::move(hosts), options) {}

void RandomPicker::rebuild() {
  if (uniform()) return;
  std::vector<uint32_t> weights;
  for (const HostIndex i : usable()) weights.push_back(weight(i));
  weighted_.build(weights);
}

HostIndex RandomPicker::choose(Random& random) {
  if (uniform()) return usable()[size_t(random.below(usable().size()))];
  return usable()[weighted_.draw(random)];
}

}  // namespace mesh::balance
