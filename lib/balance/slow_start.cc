#include "balance/slow_start.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace mesh::balance {

double slow_start_factor(const SlowStartOptions& options, Duration age) {
  if (age >= options.window) return 1;
  const Duration since = std::max<Duration>(age, std::chrono::milliseconds(1));
  const double time = double(since.count()) / double(options.window.count());
  const double grown = options.aggression == 1 ? time : std::pow(time, 1 / options.aggression);
  return std::clamp(grown, options.min_weight_percent / 100, 1.0);
}

}  // namespace mesh::balance
