#include "resilience/retry_budget.h"

#include <algorithm>

namespace mesh::resilience {

uint64_t RetryBudget::allowed(const Usage& usage) const {
  if (!percent) return max_retries;
  const double active = double(usage.requests.value() + usage.pending.value());
  const double share = std::clamp(*percent, 0.0, 100.0) / 100.0;
  return std::max(uint64_t(active * share), uint64_t(min_concurrency));
}

}  // namespace mesh::resilience
