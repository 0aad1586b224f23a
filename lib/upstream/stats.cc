#include "upstream/stats.h"

namespace mesh::upstream {
namespace {

constexpr std::array<std::string_view, kClusterCounts> kNames = {
    "upstream_cx_total",
    "upstream_cx_active",
    "upstream_cx_http1_total",
    "upstream_cx_http2_total",
    "upstream_cx_connect_fail",
    "upstream_cx_connect_timeout",
    "upstream_cx_connect_attempts_exceeded",
    "upstream_cx_idle_timeout",
    "upstream_cx_overflow",
    "upstream_cx_destroy",
    "upstream_cx_destroy_with_active_rq",
    "upstream_cx_max_requests",
    "upstream_cx_max_duration_reached",
    "upstream_cx_none_healthy",
    "upstream_cx_protocol_error",
    "upstream_rq_total",
    "upstream_rq_active",
    "upstream_rq_completed",
    "upstream_rq_1xx",
    "upstream_rq_2xx",
    "upstream_rq_3xx",
    "upstream_rq_4xx",
    "upstream_rq_5xx",
    "upstream_rq_pending_total",
    "upstream_rq_pending_active",
    "upstream_rq_pending_overflow",
    "upstream_rq_pending_failure_eject",
    "upstream_rq_cancelled",
    "upstream_rq_timeout",
    "upstream_rq_per_try_timeout",
    "upstream_rq_per_try_idle_timeout",
    "upstream_rq_max_duration_reached",
    "upstream_rq_rx_reset",
    "upstream_rq_tx_reset",
    "upstream_rq_retry",
    "upstream_rq_retry_success",
    "upstream_rq_retry_overflow",
    "upstream_rq_retry_limit_exceeded",
    "upstream_rq_retry_backoff_exponential",
    "upstream_rq_retry_backoff_ratelimited",
    "retry_or_shadow_abandoned",
};

}  // namespace

std::string_view name(ClusterCount count) { return kNames[size_t(count)]; }

bool is_gauge(ClusterCount count) {
  return count == ClusterCount::CxActive || count == ClusterCount::RqActive ||
         count == ClusterCount::RqPendingActive;
}

}  // namespace mesh::upstream
