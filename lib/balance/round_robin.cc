#include "balance/round_robin.h"

namespace mesh::balance {
namespace {

std::vector<double> weights_of(std::span<const Member> members) {
  std::vector<double> weights;
  weights.reserve(members.size());
  for (const Member& m : members) weights.push_back(m.weight);
  return weights;
}

}  // namespace

void RoundRobin::rebuild() {
  heap_ = {};
  if (!uniform()) heap_.build(weights_of(members_), random_);
}

// While weights differ the order goes on as it was.
void RoundRobin::reweigh(std::span<const double> weights) {
  const bool heap = !heap_.empty();
  uniform_ = true;
  for (size_t i = 0; i < members_.size(); ++i) {
    members_[i].weight = weights[i];
    uniform_ &= weights[i] == weights[0];
  }
  if (uniform_ || !heap) return rebuild();
  heap_.reweigh(weights);
}

HostIndex RoundRobin::choose(Random&, uint64_t, uint32_t) {
  const size_t i = uniform() ? size_t(next_++ % members_.size()) : heap_.next();
  return members_[i].host;
}

}  // namespace mesh::balance
