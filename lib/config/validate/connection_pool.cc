#include "config/validate/connection_pool.h"

namespace mesh::config {
namespace {

// Absent members are equal to their defaults, which pass.
void check_limit(const std::string& path, int32_t value, Checker& checker) {
  checker.expect(value >= 0, path, "expected a number from 0, which is no limit");
}

}  // namespace

void check_connection_pool(const ::istio::networking::v1alpha3::ConnectionPoolSettings& pool,
                           const std::string& path, Checker& checker) {
  const auto& tcp = pool.tcp();
  const auto& http = pool.http();
  check_limit(path + ".tcp.maxConnections", tcp.max_connections(), checker);
  if (tcp.has_connect_timeout())
    checker.duration(path + ".tcp.connectTimeout", tcp.connect_timeout(), false);
  if (tcp.has_max_connection_duration())
    checker.duration(path + ".tcp.maxConnectionDuration", tcp.max_connection_duration(), false);
  if (tcp.has_idle_timeout()) checker.duration(path + ".tcp.idleTimeout", tcp.idle_timeout(), true);
  const auto& keepalive = tcp.tcp_keepalive();
  checker.range(path + ".tcp.tcpKeepalive.probes", keepalive.probes(), 0, 127);
  if (keepalive.has_time())
    checker.range(path + ".tcp.tcpKeepalive.time", double(keepalive.time().seconds()), 1, 32767);
  if (keepalive.has_interval())
    checker.range(path + ".tcp.tcpKeepalive.interval", double(keepalive.interval().seconds()), 1,
                  32767);
  check_limit(path + ".http.maxRequestsPerConnection", http.max_requests_per_connection(), checker);
  check_limit(path + ".http.maxConcurrentStreams", http.max_concurrent_streams(), checker);
  check_limit(path + ".http.http1MaxPendingRequests", http.http1_max_pending_requests(), checker);
  check_limit(path + ".http.http2MaxRequests", http.http2_max_requests(), checker);
  check_limit(path + ".http.maxRetries", http.max_retries(), checker);
  if (http.has_idle_timeout())
    checker.duration(path + ".http.idleTimeout", http.idle_timeout(), true);
  if (!http.has_http2_keep_alive()) return;
  const auto& ping = http.http2_keep_alive();
  const std::string at = path + ".http.http2KeepAlive";
  if (checker.expect(ping.has_interval(), at + ".interval", "expected a duration"))
    checker.duration(at + ".interval", ping.interval(), false);
  if (checker.expect(ping.has_timeout(), at + ".timeout", "expected a duration"))
    checker.duration(at + ".timeout", ping.timeout(), false);
}

}  // namespace mesh::config
