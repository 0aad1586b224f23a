#include "mesh/v1/service_policy.pb.h"

#include <algorithm>
#include <string>

#include "base/text.h"
#include "config/validate/validate.h"

namespace mesh::config {
namespace {

using HealthCheck = ::mesh::v1::ServicePolicy::HealthCheck;

// "200" or "200-299", within 100 to 599.
void check_statuses(const Checker::Strings& statuses, const std::string& path, Checker& checker) {
  for (int i = 0; i < statuses.size(); ++i) {
    const auto parts = text::split(statuses.Get(i), '-');
    const auto number = [](std::string_view digits) {
      const bool three =
          digits.size() == 3 && digits.find_first_not_of("0123456789") == std::string_view::npos;
      return three ? std::stoi(std::string(digits)) : 0;
    };
    const int low = number(parts.front());
    const int high = number(parts.back());
    checker.expect(parts.size() <= 2 && low >= 100 && low <= high && high <= 599, at_index(path, i),
                   "expected a status, or a range such as 200-299");
  }
}

// What a check sends beside its own.
void check_field(const std::string& name, const std::string& value, const std::string& path,
                 Checker& checker) {
  const std::string at = at_key(path + ".headers", name);
  const std::string lower = text::to_lower(name);
  checker.expect(is_field_name(name), at, "expected the name of a header");
  for (const char* own :
       {"host", "content-length", "transfer-encoding", "connection", "te", "upgrade"})
    checker.expect(lower != own, at, "is the check's own to set");
  checker.line(at, value);
  checker.expect(text::trim(value) == value && value.find('%') == std::string::npos, at,
                 "expected a value without %, no blanks on its ends");
}

void check_http(const HealthCheck::Http& http, const std::string& path, Checker& checker) {
  const auto no_blanks = [](const std::string& text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return uint8_t(c) > ' ' && c != 0x7f; });
  };
  checker.expect(http.path().starts_with('/') && no_blanks(http.path()), path + ".path",
                 "expected a path that begins with /");
  checker.expect(no_blanks(http.host()), path + ".host", "expected a name without blanks");
  for (const auto& [name, value] : http.headers()) check_field(name, value, path, checker);
  const std::string& method = http.method();
  checker.expect(method.empty() || method == "GET" || method == "HEAD" || method == "OPTIONS" ||
                     method == "POST" || method == "PUT" || method == "DELETE" || method == "PATCH",
                 path + ".method", "expected GET, HEAD, OPTIONS, POST, PUT, DELETE or PATCH");
  check_statuses(http.expected_statuses(), path + ".expectedStatuses", checker);
  check_statuses(http.retriable_statuses(), path + ".retriableStatuses", checker);
}

void check_health(const HealthCheck& check, const std::string& path, Checker& checker) {
  checker.expect(int(check.has_http()) + int(check.has_tcp()) + int(check.has_grpc()) == 1, path,
                 "expected one of http, tcp and grpc");
  if (check.has_http()) check_http(check.http(), path + ".http", checker);
  for (int i = 0; i < check.tcp().receive_size(); ++i)
    checker.expect(!check.tcp().receive(i).empty(), at_index(path + ".tcp.receive", i),
                   "expected at least one byte");
  checker.expect(check.has_timeout(), path, "expected timeout");
  checker.expect(check.has_interval(), path, "expected interval");
  const auto over_zero = [&](const char* name, bool has, const google::protobuf::Duration& value) {
    if (has) checker.duration(path + "." + name, value, false);
  };
  over_zero("timeout", check.has_timeout(), check.timeout());
  over_zero("interval", check.has_interval(), check.interval());
  over_zero("noTrafficInterval", check.has_no_traffic_interval(), check.no_traffic_interval());
  over_zero("noTrafficHealthyInterval", check.has_no_traffic_healthy_interval(),
            check.no_traffic_healthy_interval());
  over_zero("unhealthyInterval", check.has_unhealthy_interval(), check.unhealthy_interval());
  over_zero("unhealthyEdgeInterval", check.has_unhealthy_edge_interval(),
            check.unhealthy_edge_interval());
  over_zero("healthyEdgeInterval", check.has_healthy_edge_interval(),
            check.healthy_edge_interval());
  if (check.has_initial_jitter())
    checker.duration(path + ".initialJitter", check.initial_jitter(), true);
  if (check.has_interval_jitter())
    checker.duration(path + ".intervalJitter", check.interval_jitter(), true);
  checker.range(path + ".intervalJitterPercent", check.interval_jitter_percent(), 0, 1000);
  if (check.port() != 0) checker.port(path + ".port", check.port());
}

using ::mesh::v1::ServicePolicy;

void check_balancing(const ServicePolicy::LoadBalancer& settings, Checker& checker) {
  const std::string path = "spec.loadBalancer";
  const uint32_t factor = settings.hash_balance_factor();
  checker.expect(factor == 0 || factor >= 100, path + ".hashBalanceFactor",
                 "expected at least 100, or 0 for no bound");
  if (settings.zone_aware().has_routing_enabled()) {
    const double percent = settings.zone_aware().routing_enabled().value();
    checker.expect(percent >= 0 && percent <= 100, path + ".zoneAware.routingEnabled",
                   "expected 0 to 100");
  }
}

void check_session(const ServicePolicy::StickySession& session, Checker& checker) {
  const std::string path = "spec.stickySession";
  switch (session.by_case()) {
    case ServicePolicy::StickySession::kCookie:
      checker.expect(is_field_name(session.cookie().name()), path + ".cookie.name",
                     "expected the name of a cookie");
      checker.line(path + ".cookie.path", session.cookie().path());
      checker.expect(session.cookie().path().find(';') == std::string::npos, path + ".cookie.path",
                     "expected a path without a semicolon");
      if (session.cookie().has_ttl())
        checker.duration(path + ".cookie.ttl", session.cookie().ttl(), true);
      break;
    case ServicePolicy::StickySession::kHeader:
      checker.expect(is_field_name(session.header()), path + ".header",
                     "expected the name of a header");
      break;
    default: checker.fail(path, "expected cookie or header");
  }
}

void check_adaptive(const ::mesh::v1::AdaptiveConcurrency& adaptive, Checker& checker) {
  const std::string path = "spec.adaptiveConcurrency";
  checker.range(path + ".samplePercentile", adaptive.sample_percentile(), 0, 100);
  checker.range(path + ".bufferPercent", adaptive.buffer_percent(), 0, 100);
  if (adaptive.has_update_interval())
    checker.duration(path + ".updateInterval", adaptive.update_interval(), false);
  if (adaptive.has_min_rtt_interval())
    checker.duration(path + ".minRttInterval", adaptive.min_rtt_interval(), false);
  if (adaptive.has_fixed_min_rtt())
    checker.duration(path + ".fixedMinRtt", adaptive.fixed_min_rtt(), false);
  const uint32_t most = adaptive.max_concurrency() == 0 ? 1000 : adaptive.max_concurrency();
  checker.expect(adaptive.min_concurrency() <= most, path + ".minConcurrency",
                 "is over maxConcurrency");
}

void check_inbound(const ServicePolicy::InboundConnections& inbound, Checker& checker) {
  const std::string path = "spec.inboundConnections";
  checker.expect(inbound.max() > 0 || inbound.has_rate(), path, "expected max or rate");
  if (inbound.has_close_delay()) {
    checker.duration(path + ".closeDelay", inbound.close_delay(), true);
    checker.expect(inbound.max() > 0, path + ".closeDelay", "is for connections over max");
  }
  if (!inbound.has_rate()) return;
  const auto& rate = inbound.rate();
  checker.expect(rate.connections() > 0, path + ".rate.connections", "expected at least 1");
  if (!rate.has_per()) return;
  checker.duration(path + ".rate.per", rate.per(), true);
  checker.expect(rate.per().seconds() > 0 || rate.per().nanos() >= 50'000'000, path + ".rate.per",
                 "expected at least 50ms");
}

}  // namespace

void validate(const ::mesh::v1::ServicePolicy& policy, Checker& checker) {
  checker.host("spec.host", policy.host(), false);
  if (!policy.subset().empty()) checker.label_name("spec.subset", policy.subset());
  check_balancing(policy.load_balancer(), checker);
  if (policy.has_sticky_session()) check_session(policy.sticky_session(), checker);
  checker.expect(!policy.has_hedging() || policy.subset().empty(), "spec.hedging",
                 "is decided before the subset: write it in the policy of the host as a whole");
  checker.expect(policy.health_checks_size() <= 1, "spec.healthChecks",
                 "expected one health check at most");
  for (int i = 0; i < policy.health_checks_size(); ++i)
    check_health(policy.health_checks(i), at_index("spec.healthChecks", i), checker);
  if (policy.has_adaptive_concurrency()) {
    check_adaptive(policy.adaptive_concurrency(), checker);
    checker.expect(policy.subset().empty(), "spec.adaptiveConcurrency",
                   "is of the host as a whole, not of a subset");
  }
  if (policy.has_inbound_connections()) {
    check_inbound(policy.inbound_connections(), checker);
    checker.expect(policy.subset().empty(), "spec.inboundConnections",
                   "is of the host as a whole, not of a subset");
  }
  if (!policy.has_outlier_return()) return;
  const auto& back = policy.outlier_return();
  if (back.has_probe_percent())
    checker.expect(back.probe_percent().value() > 0 && back.probe_percent().value() <= 100,
                   "spec.outlierReturn.probePercent", "expected over 0, at most 100");
  if (back.has_probe_time())
    checker.duration("spec.outlierReturn.probeTime", back.probe_time(), true);
  if (back.has_ramp()) checker.duration("spec.outlierReturn.ramp", back.ramp(), true);
}

}  // namespace mesh::config
