// slow_start_factor: the part of its weight that a warming host gets.
//
// Envoy, arch overview, "Slow start": (time / window)^(1/aggression), at least
// min_weight_percent; 1 once the window is over. Pure.
#pragma once

#include "balance/options.h"

namespace mesh::balance {

double slow_start_factor(const SlowStartOptions& options, Duration age);

}  // namespace mesh::balance
