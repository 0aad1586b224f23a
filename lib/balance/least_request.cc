#include "balance/least_request.h"

#include <algorithm>

namespace mesh::balance {
namespace {

// Envoy's own range for choice_count begins at 2; above a few more draws only
// herd towards the same host.
constexpr uint32_t kChoicesMax = 16;

}  // namespace

LeastRequest::LeastRequest(std::vector<Host> hosts, const Options& options)
    : Picker(std::move(hosts), options), choices_(std::clamp(options.choices, 1U, kChoicesMax)) {}

void LeastRequest::rebuild() {
  if (uniform()) return;
  std::vector<uint32_t> weights;
  for (const HostIndex i : usable()) weights.push_back(weight(i));
  weighted_.build(weights);
}

HostIndex LeastRequest::draw(Random& random) {
  if (uniform()) return usable()[size_t(random.below(usable().size()))];
  return usable()[weighted_.draw(random)];
}

uint64_t LeastRequest::active(HostIndex i) const {
  const auto* count = host(i).active;
  return count == nullptr ? 0 : count->load(std::memory_order_relaxed);
}

HostIndex LeastRequest::choose(Random& random) {
  if (usable().size() == 1) return usable().front();
  HostIndex best = draw(random);
  for (uint32_t i = 1; i < choices_; ++i) {
    const HostIndex other = draw(random);
    // active/weight compared across: no division.
    if (active(other) * weight(best) < active(best) * weight(other)) best = other;
  }
  return best;
}

}  // namespace mesh::balance
