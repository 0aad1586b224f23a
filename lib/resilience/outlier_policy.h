// OutlierPolicy: which hosts are ejected, and for how long, as values.
//
// Names and defaults are Envoy's (config.cluster.v3 OutlierDetection). A detector
// whose `enforcing` share is 0 counts what it would have ejected, and ejects nothing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "resilience/gradual_return.h"

namespace mesh::resilience {

struct OutlierPolicy {
  uint32_t consecutive_5xx = 5;  // 0: off, as for the next two
  uint32_t enforcing_consecutive_5xx = 100;
  uint32_t consecutive_gateway_failure = 5;
  uint32_t enforcing_consecutive_gateway_failure = 0;
  // Failures that the host did not answer itself (no connection, reset, timeout)
  // count apart from its answers, instead of as 5xx.
  bool split_external_local_origin_errors = false;
  uint32_t consecutive_local_origin_failure = 5;
  uint32_t enforcing_consecutive_local_origin_failure = 100;

  // Answers with one of these are errors, and no others: below 500 as 500. Empty: 5xx.
  // Sorted.
  std::vector<uint16_t> error_statuses;

  uint32_t success_rate_minimum_hosts = 5;
  uint32_t success_rate_request_volume = 100;
  uint32_t success_rate_stdev_factor = 1900;  // thousandths
  uint32_t enforcing_success_rate = 100;
  uint32_t enforcing_local_origin_success_rate = 100;

  uint32_t failure_percentage_threshold = 85;
  uint32_t failure_percentage_minimum_hosts = 5;
  uint32_t failure_percentage_request_volume = 50;
  uint32_t enforcing_failure_percentage = 0;
  uint32_t enforcing_failure_percentage_local_origin = 0;

  Duration interval = std::chrono::seconds(10);
  Duration base_ejection_time = std::chrono::seconds(30);
  Duration max_ejection_time = std::chrono::seconds(300);
  Duration max_ejection_time_jitter{0};
  uint32_t max_ejection_percent = 10;
  bool always_eject_one_host = false;
  bool successful_active_health_check_uneject_host = true;
  GradualReturn gradual_return;

  // The status that an answer counts as.
  uint16_t judged(uint16_t status) const {
    if (error_statuses.empty()) return status;
    if (!std::binary_search(error_statuses.begin(), error_statuses.end(), status)) return 200;
    return std::max<uint16_t>(status, 500);
  }
  // Totals over an interval are asked for: successes against the mean of all
  // hosts, or against a threshold.
  bool by_statistics() const {
    return enforcing_success_rate != 0 || enforcing_local_origin_success_rate != 0 ||
           enforcing_failure_percentage != 0 || enforcing_failure_percentage_local_origin != 0;
  }
  bool operator==(const OutlierPolicy&) const = default;
};

}  // namespace mesh::resilience
