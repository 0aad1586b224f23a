#include "upstream/cluster_stats.h"

#include <array>

namespace mesh::upstream {
namespace {

using resilience::EjectionCause;

constexpr std::array<std::string_view, resilience::kEjectionCauses> kCauses = {
    "consecutive_5xx",
    "consecutive_gateway_failure",
    "consecutive_local_origin_failure",
    "success_rate",
    "local_origin_success_rate",
    "failure_percentage",
    "local_origin_failure_percentage",
};

class List {
 public:
  void counter(std::string name, uint64_t value) { all.push_back({std::move(name), value, false}); }
  void gauge(std::string name, uint64_t value) { all.push_back({std::move(name), value, true}); }
  std::vector<ClusterStat> all;
};

void add_members(const ClusterSpec& cluster, List& list) {
  uint64_t healthy = 0, degraded = 0, excluded = 0;
  for (const EndpointSpec& e : cluster.endpoints) {
    switch (e.health_now()) {
      case balance::Health::Healthy: ++healthy; break;
      case balance::Health::Degraded: ++degraded; break;
      case balance::Health::Excluded: ++excluded; break;
      default: break;
    }
  }
  list.gauge("membership_healthy", healthy);
  list.gauge("membership_degraded", degraded);
  list.gauge("membership_excluded", excluded);
  list.gauge("membership_total", cluster.endpoints.size());
}

void add_limits(const ClusterSpec& cluster, bool high, Instant now, List& list) {
  const xds::CircuitLimits& limits = cluster.limits(high);
  const resilience::Usage& usage = cluster.usage(high);
  const auto& budget = high ? cluster.high_retry_budget : cluster.retry_budget;
  const struct {
    std::string_view open, remaining;
    const resilience::Gauge& gauge;
    uint64_t most;
  } rows[] = {
      {"cx_open", "remaining_cx", usage.connections, limits.max_connections},
      {"rq_pending_open", "remaining_pending", usage.pending, limits.max_pending_requests},
      {"rq_open", "remaining_rq", usage.requests, limits.max_requests},
      {"rq_retry_open", "remaining_retries", usage.retries, budget.allowed(usage, now)},
  };
  const std::string head = std::string("circuit_breakers.") + (high ? "high." : "default.");
  for (const auto& row : rows) {
    const uint64_t value = row.gauge.value();
    list.gauge(head + std::string(row.open), value >= row.most ? 1 : 0);
    if (limits.track_remaining)
      list.gauge(head + std::string(row.remaining), value < row.most ? row.most - value : 0);
  }
}

void add_checks(const ClusterSpec& cluster, List& list) {
  const auto& checks = cluster.shared->checks;
  list.counter("health_check.attempt", checks.attempt.value());
  list.counter("health_check.success", checks.success.value());
  list.counter("health_check.failure", checks.failure.value());
  list.counter("health_check.passive_failure", checks.passive_failure.value());
  list.counter("health_check.network_failure", checks.network_failure.value());
  uint64_t healthy = 0, degraded = 0;
  for (const EndpointSpec& e : cluster.endpoints) {
    if (!e.shared->check_failed()) ++healthy;
    if (e.shared->degraded()) ++degraded;
  }
  list.gauge("health_check.healthy", healthy);
  list.gauge("health_check.degraded", degraded);
}

void add_ejections(const ClusterSpec& cluster, List& list) {
  const resilience::Outlier& outlier = cluster.shared->outlier;
  const auto& counts = outlier.counts();
  uint64_t all = 0;
  for (size_t i = 0; i < kCauses.size(); ++i) {
    const uint64_t enforced = counts.enforced[i].load(std::memory_order_relaxed);
    all += enforced;
    list.counter("outlier_detection.ejections_detected_" + std::string(kCauses[i]),
                 counts.detected[i].load(std::memory_order_relaxed));
    list.counter("outlier_detection.ejections_enforced_" + std::string(kCauses[i]), enforced);
  }
  list.counter("outlier_detection.ejections_enforced_total", all);
  list.counter("outlier_detection.ejections_overflow",
               counts.overflow.load(std::memory_order_relaxed));
  list.gauge("outlier_detection.ejections_active", outlier.ejected());
}

}  // namespace

std::vector<ClusterStat> cluster_stats(const ClusterSpec& cluster, Instant now) {
  List list;
  std::array<uint64_t, kClusterCounts> sums{};
  cluster.shared->stats.each([&](const ClusterCounts& one) {
    for (size_t i = 0; i < kClusterCounts; ++i) sums[i] += one.value(ClusterCount(i));
  });
  for (size_t i = 0; i < kClusterCounts; ++i)
    list.all.push_back({std::string(name(ClusterCount(i))), sums[i], is_gauge(ClusterCount(i))});
  add_members(cluster, list);
  add_limits(cluster, false, now, list);
  add_limits(cluster, true, now, list);
  if (!cluster.config->health_checks.empty()) add_checks(cluster, list);
  if (cluster.config->outlier) add_ejections(cluster, list);
  return std::move(list.all);
}

}  // namespace mesh::upstream
