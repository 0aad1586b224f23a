#include "balance/least_request.h"

#include <algorithm>
#include <cmath>

namespace mesh::balance {

LeastRequest::LeastRequest(const LeastRequestOptions& options) : options_(options) {}

void LeastRequest::rebuild() {
  if (uniform()) return;
  std::vector<double> weights;
  weights.reserve(members_.size());
  for (const Member& m : members_) weights.push_back(m.weight);
  weighted_.build(weights);
}

const Member& LeastRequest::draw(Random& random) const {
  return members_[uniform() ? size_t(random.below(members_.size())) : weighted_.draw(random)];
}

bool LeastRequest::less_busy(const Member& a, const Member& b) const {
  if (uniform()) return a.load() < b.load();
  const double bias = options_.active_request_bias;
  // Compared across: no division.
  if (bias == 1) return double(a.load()) * b.weight < double(b.load()) * a.weight;
  return std::pow(double(a.load()), bias) * b.weight < std::pow(double(b.load()), bias) * a.weight;
}

// The draw is by weight already: where load does not count, it stands.
HostIndex LeastRequest::choose(Random& random, uint64_t, uint32_t attempt) {
  if (members_.size() == 1) return members_.front().host;
  const bool by_weight_alone = !uniform() && options_.active_request_bias == 0;
  if (by_weight_alone) return draw(random).host;
  // A scan gives the same host again: what was tried is left to the draw.
  if (options_.full_scan && attempt == 0) return scan(random).host;
  const Member* best = &draw(random);
  const uint32_t choices = std::clamp(options_.choices, 1U, kChoicesMax);
  for (uint32_t i = 1; i < choices; ++i) {
    const Member& other = draw(random);
    if (less_busy(other, *best)) best = &other;
  }
  return best->host;
}

// Ties go to each as its weight says: the k-th of equals replaces the former with
// the share it has of their weights.
const Member& LeastRequest::scan(Random& random) const {
  const Member* best = &members_.front();
  double tied = best->weight;
  for (size_t i = 1; i < members_.size(); ++i) {
    const Member& other = members_[i];
    if (less_busy(other, *best)) {
      best = &other;
      tied = other.weight;
    } else if (!less_busy(*best, other)) {
      tied += other.weight;
      if (random.unit() * tied < other.weight) best = &other;
    }
  }
  return *best;
}

}  // namespace mesh::balance
