// Health checks, returns and pools: from a user's objects to what the data plane does.
#include <catch2/catch.hpp>

#include "discovery/compile/compile.h"
#include "unit/discovery/sample.h"
#include "xds/decode.h"

using namespace mesh;
using namespace mesh::discovery;
using namespace std::chrono_literals;

namespace {

std::shared_ptr<const xds::Cluster> cluster(const std::string& yaml, const std::string& name) {
  const auto model = sample::model(std::string(sample::kAll) + "\n---\n" + yaml);
  for (const auto& resource : compile_clusters(*model, sample::node("web-1"))) {
    if (resource.name != name) continue;
    auto decoded = xds::decode_cluster(*resource.body);
    if (!decoded) FAIL(decoded.error().text);
    return *decoded;
  }
  FAIL("no cluster " << name);
  return nullptr;
}

}  // namespace

TEST_CASE("a ServicePolicy's health check is Envoy's") {
  const auto reviews = cluster(R"(apiVersion: mesh/v1
kind: ServicePolicy
metadata: {name: reviews, namespace: demo}
spec:
  host: reviews
  healthChecks:
  - http: {path: /healthz, host: h, method: HEAD, headers: {x-b: "2", x-a: "1"}, expectedStatuses: ["200-299", "304"], retriableStatuses: ["503"]}
    timeout: 1s
    interval: 5s
    unhealthyThreshold: 4
    unhealthyInterval: 2s
    intervalJitterPercent: 10
    port: 9000
    reuseConnection: false
  outlierReturn: {probePercent: 10, ramp: 1s}
)",
                               "outbound|80||reviews");
  REQUIRE(reviews->health_checks.size() == 1);
  const xds::HealthCheck& check = reviews->health_checks[0];
  CHECK(check.kind == xds::HealthCheck::Kind::Http);
  CHECK(check.path == "/healthz");
  CHECK(check.method == "HEAD");
  CHECK(check.headers ==
        std::vector<std::pair<std::string, std::string>>{{"x-a", "1"}, {"x-b", "2"}});
  CHECK(check.expected == std::vector<xds::HealthCheck::StatusRange>{{200, 300}, {304, 305}});
  CHECK(check.retriable == std::vector<xds::HealthCheck::StatusRange>{{503, 504}});
  CHECK(check.alt_port == 9000);
  CHECK_FALSE(check.reuse_connection);
  CHECK(check.policy.timeout == 1s);
  CHECK(check.policy.unhealthy_threshold == 4);
  CHECK(check.policy.healthy_threshold == 1);
  CHECK(check.policy.no_traffic_interval == 5s);
  CHECK(check.policy.unhealthy_edge_interval == 2s);
  CHECK(check.policy.healthy_edge_interval == 5s);
  REQUIRE(reviews->outlier);
  CHECK(reviews->outlier->gradual_return.enabled);
  CHECK(reviews->outlier->gradual_return.probe_share == Approx(0.1));
  CHECK(reviews->outlier->gradual_return.probe_time == 10s);
  CHECK(reviews->outlier->gradual_return.ramp == 1s);
  CHECK(reviews->outlier->enforcing_success_rate == 0);
}

TEST_CASE("TCP and gRPC checks; a subset's policy is its own") {
  const std::string yaml = R"(apiVersion: mesh/v1
kind: ServicePolicy
metadata: {name: a, namespace: demo}
spec: {host: reviews, healthChecks: [{tcp: {send: "hi\n", receive: [yo]}, timeout: 1s, interval: 1s}]}
---
apiVersion: mesh/v1
kind: ServicePolicy
metadata: {name: b, namespace: demo}
spec: {host: reviews, subset: v1, healthChecks: [{grpc: {service: r.R}, timeout: 1s, interval: 1s}]}
)";
  const auto tcp = cluster(yaml, "outbound|80||reviews")->health_checks.at(0);
  CHECK(tcp.kind == xds::HealthCheck::Kind::Tcp);
  CHECK(tcp.send == "hi\n");
  CHECK(tcp.receive == std::vector<std::string>{"yo"});
  const auto grpc = cluster(yaml, "outbound|80|v1|reviews")->health_checks.at(0);
  CHECK(grpc.kind == xds::HealthCheck::Kind::Grpc);
  CHECK(grpc.grpc_service == "r.R");
  CHECK(cluster(yaml, "outbound|80|v2|reviews")->health_checks.at(0) == tcp);
}

TEST_CASE("pools and ejection of a DestinationRule, to the last field") {
  const auto web = cluster(R"(apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: demo}
spec:
  host: web
  trafficPolicy:
    connectionPool:
      tcp: {maxConnections: 1, tcpKeepalive: {probes: 3, time: 60s, interval: 5s}}
      http: {http1MaxPendingRequests: 1, http2MaxRequests: 7, maxRequestsPerConnection: 2, maxRetries: 9, maxConcurrentStreams: 11, h2UpgradePolicy: UPGRADE, http2KeepAlive: {interval: 30s, timeout: 5s}}
    retryBudget: {percent: 30, budgetInterval: 4s}
    outlierDetection: {outlierDetectionHttpErrorCodes: [503, 404], splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 2, minHealthPercent: 30}
)",
                           "outbound|80||web");
  CHECK(web->limits.max_connections == 1);
  CHECK(web->limits.max_pending_requests == 1);
  CHECK(web->limits.max_requests == 7);
  CHECK(web->limits.max_retries == 9);
  CHECK(web->max_requests_per_connection == 2);
  CHECK(web->max_concurrent_streams == 11);
  REQUIRE(web->tcp_keepalive);
  CHECK(*web->tcp_keepalive == xds::TcpKeepalive{3, 60, 5});
  CHECK(web->balancing.options.healthy_panic_percent == 30);
  REQUIRE(web->outlier);
  CHECK(web->outlier->split_external_local_origin_errors);
  CHECK(web->outlier->consecutive_local_origin_failure == 2);
  CHECK_FALSE(web->outlier->by_statistics());
  CHECK(web->outlier->error_statuses == std::vector<uint16_t>{404, 503});
  CHECK(web->http2.keepalive.interval == std::chrono::seconds(30));
  CHECK(web->http2.keepalive.timeout == std::chrono::seconds(5));
  CHECK(web->limits.retry_budget_percent == 30);
  CHECK(web->limits.budget_interval == std::chrono::seconds(4));
}
