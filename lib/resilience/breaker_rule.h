// BreakerRule: for which calls a breaker is, what goes wrong with them, and what
// answers while it is open. Values; pure.
#pragma once

#include <algorithm>
#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "resilience/breaker.h"

namespace mesh::resilience {

struct BreakerFallback {
  std::string cluster;  // or, when empty, a response
  uint16_t status = 503;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

struct BreakerRule {
  std::string name;
  std::string method;  // empty: any
  std::string path;    // exact or prefix; empty: any
  bool prefix = false;
  BreakerPolicy policy;
  std::vector<uint16_t> error_statuses;  // beside 5xx
  // gRPC: UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, DATA_LOSS.
  std::bitset<17> grpc_errors{1U << 2 | 1U << 4 | 1U << 13 | 1U << 14 | 1U << 15};
  BreakerFallback fallback;

  // `target` without its query.
  bool matches(std::string_view call_method, std::string_view target) const {
    if (!method.empty() && method != call_method) return false;
    if (path.empty()) return true;
    return prefix ? target.starts_with(path) : target == path;
  }
  bool is_error(uint16_t status) const {
    return status >= 500 ||
           std::find(error_statuses.begin(), error_statuses.end(), status) != error_statuses.end();
  }
};

using BreakerRules = std::vector<BreakerRule>;

}  // namespace mesh::resilience
