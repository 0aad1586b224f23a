#include "xds/decode_common.h"
#include "xds/decode_health.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace pb = envoy::config::cluster::v3;
namespace core = envoy::config::core::v3;
using Thresholds = pb::CircuitBreakers::Thresholds;

Result<void> decode_thresholds(const Thresholds& limits, const std::string& at,
                               CircuitLimits& into) {
  if (limits.has_max_connections()) into.max_connections = limits.max_connections().value();
  if (limits.has_max_pending_requests())
    into.max_pending_requests = limits.max_pending_requests().value();
  if (limits.has_max_requests()) into.max_requests = limits.max_requests().value();
  if (limits.has_max_retries()) into.max_retries = limits.max_retries().value();
  into.track_remaining = limits.track_remaining();
  if (!limits.has_retry_budget()) return {};
  const auto& budget = limits.retry_budget();
  into.retry_budget_percent = budget.has_budget_percent() ? budget.budget_percent().value() : 20;
  if (!(*into.retry_budget_percent >= 0 && *into.retry_budget_percent <= 100))
    return refuse(path_of(at, "retry_budget.budget_percent"), "is 0 to 100");
  if (budget.has_min_retry_concurrency())
    into.min_retry_concurrency = budget.min_retry_concurrency().value();
  MESH_TRY(into.budget_interval,
           decode_duration(budget.budget_interval(), path_of(at, "retry_budget.budget_interval")));
  return {};
}

// Envoy: max_connections, of priority DEFAULT, and nothing else.
Result<void> decode_host_thresholds(const pb::CircuitBreakers& breakers, const std::string& path,
                                    Cluster& into) {
  if (breakers.per_host_thresholds_size() == 0) return {};
  const std::string at = path_of(path, "per_host_thresholds");
  if (breakers.per_host_thresholds_size() > 1) return refuse(at, "is one entry at most");
  const Thresholds& limits = breakers.per_host_thresholds(0);
  if (limits.priority() != core::DEFAULT)
    return refuse(path_of(at + "[0]", "priority"), "only DEFAULT is supported");
  if (limits.has_max_pending_requests() || limits.has_max_requests() || limits.has_max_retries() ||
      limits.has_retry_budget() || limits.track_remaining())
    return refuse(at + "[0]", "only max_connections is supported");
  if (limits.has_max_connections()) into.host_max_connections = limits.max_connections().value();
  return {};
}

}  // namespace

Result<void> decode_limits(const pb::Cluster& cluster, const std::string& path, Cluster& into) {
  const auto& breakers = cluster.circuit_breakers();
  const std::string at = path_of(path, "circuit_breakers");
  bool seen[2] = {false, false};
  for (int i = 0; i < breakers.thresholds_size(); ++i) {
    const Thresholds& limits = breakers.thresholds(i);
    const std::string one = path_of(at, "thresholds", i);
    const bool high = limits.priority() == core::HIGH;
    if (!high && limits.priority() != core::DEFAULT)
      return refuse(path_of(one, "priority"), "is DEFAULT or HIGH");
    // Envoy takes the first of a priority; a second would be ignored.
    if (std::exchange(seen[high ? 1 : 0], true))
      return refuse(path_of(one, "priority"), "is there twice");
    MESH_TRY_VOID(decode_thresholds(limits, one, high ? into.high_limits : into.limits));
  }
  MESH_TRY_VOID(decode_host_thresholds(breakers, at, into));
  if (cluster.has_max_requests_per_connection())
    into.max_requests_per_connection = cluster.max_requests_per_connection().value();
  if (cluster.upstream_connection_options().has_tcp_keepalive()) {
    const auto& from = cluster.upstream_connection_options().tcp_keepalive();
    TcpKeepalive& to = into.tcp_keepalive.emplace();
    if (from.has_keepalive_probes()) to.probes = from.keepalive_probes().value();
    if (from.has_keepalive_time()) to.time_s = from.keepalive_time().value();
    if (from.has_keepalive_interval()) to.interval_s = from.keepalive_interval().value();
    // What the kernel takes: tcp(7), TCP_KEEPCNT and TCP_KEEPIDLE.
    if (to.probes.value_or(1) < 1 || to.probes.value_or(1) > 127 || to.time_s.value_or(1) < 1 ||
        to.time_s.value_or(1) > 32767 || to.interval_s.value_or(1) < 1 ||
        to.interval_s.value_or(1) > 32767)
      return refuse(path_of(path, "upstream_connection_options.tcp_keepalive"),
                    "probes are 1 to 127, time and interval 1 to 32767 seconds");
  }
  return {};
}

}  // namespace mesh::xds
