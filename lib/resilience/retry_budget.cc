#include "resilience/retry_budget.h"

#include <algorithm>

namespace mesh::resilience {

uint64_t RetryBudget::allowed(const Usage& usage, Instant now) const {
  if (!percent) return max_retries;
  uint64_t requests = usage.requests.value() + usage.pending.value();
  if (interval > Duration::zero())
    requests = std::max(requests, usage.recent->count(now, interval));
  const double active = double(requests);
  const double share = std::clamp(*percent, 0.0, 100.0) / 100.0;
  return std::max(uint64_t(active * share), uint64_t(min_concurrency));
}

}  // namespace mesh::resilience
