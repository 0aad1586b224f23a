// What a ServicePolicy may say of health, and a DestinationRule of pools: mesh-config(5).
#include <catch2/catch.hpp>

#include "unit/config/said.h"

using namespace mesh;

namespace {

// `want` stands below spec of an object about host a.
void check(const std::string& group, const std::string& kind, const std::string& spec,
           const std::string& want) {
  INFO(spec);
  CHECK(testing::said_of(group, kind, "host: a, " + spec) == (want.empty() ? "" : "spec." + want));
}

}  // namespace

TEST_CASE("ServicePolicy: health checks and returns", "[config]") {
  const struct {
    const char* spec;
    const char* want;
  } rows[] = {
      {"healthChecks: [{http: {path: /}, timeout: 1s, interval: 5s}]", ""},
      {"healthChecks: [{tcp: {}, timeout: 1s, interval: 5s}]", ""},
      {"healthChecks: [{grpc: {service: a}, timeout: 1s, interval: 5s, port: 8080}]", ""},
      {"outlierReturn: {probePercent: 10, probeTime: 5s, ramp: 20s}", ""},
      {"healthChecks: [{timeout: 1s, interval: 5s}]",
       "healthChecks[0]: expected one of http, tcp and grpc"},
      {"healthChecks: [{tcp: {}, grpc: {}, timeout: 1s, interval: 5s}]",
       "healthChecks[0]: expected one of http, tcp and grpc"},
      {"healthChecks: [{tcp: {}, interval: 5s}]", "healthChecks[0]: expected timeout"},
      {"healthChecks: [{tcp: {}, timeout: 1s}]", "healthChecks[0]: expected interval"},
      {"healthChecks: [{http: {path: healthz}, timeout: 1s, interval: 5s}]",
       "healthChecks[0].http.path: expected a path that begins with /"},
      {"healthChecks: [{http: {path: /, expectedStatuses: [\"2xx\"]}, timeout: 1s, interval: 5s}]",
       "healthChecks[0].http.expectedStatuses[0]: expected a status, or a range such as 200-299"},
      {"healthChecks: [{http: {path: /, retriableStatuses: [\"299-200\"]}, timeout: 1s, interval: "
       "5s}]",
       "healthChecks[0].http.retriableStatuses[0]: expected a status, or a range such as 200-299"},
      {"healthChecks: [{http: {path: /, method: CONNECT}, timeout: 1s, interval: 5s}]",
       "healthChecks[0].http.method: expected GET, HEAD, OPTIONS, POST, PUT, DELETE or PATCH"},
      {"healthChecks: [{http: {path: /, host: 'a b'}, timeout: 1s, interval: 5s}]",
       "healthChecks[0].http.host: expected a name without blanks"},
      {"healthChecks: [{http: {path: /, headers: {x-a: b}}, timeout: 1s, interval: 5s}]", ""},
      {"healthChecks: [{http: {path: /, headers: {Host: b}}, timeout: 1s, interval: 5s}]",
       "healthChecks[0].http.headers[\"Host\"]: is the check's own to set"},
      {"healthChecks: [{http: {path: /, headers: {x-a: '%REQ(x)%'}}, timeout: 1s, interval: 5s}]",
       "healthChecks[0].http.headers[\"x-a\"]: expected a value without %, no blanks on its ends"},
      {"healthChecks: [{tcp: {receive: [a, '']}, timeout: 1s, interval: 5s}]",
       "healthChecks[0].tcp.receive[1]: expected at least one byte"},
      {"stickySession: {cookie: {name: 'a=b'}}",
       "stickySession.cookie.name: expected the name of a cookie"},
      {"stickySession: {cookie: {name: a, path: '/; x'}}",
       "stickySession.cookie.path: expected a path without a semicolon"},
      {"stickySession: {header: 'a b'}", "stickySession.header: expected the name of a header"},
      {"healthChecks: [{tcp: {}, timeout: 1s, interval: 5s}, {tcp: {}, timeout: 1s, interval: 5s}]",
       "healthChecks: expected one health check at most"},
      {"inboundConnections: {max: 10, closeDelay: 1s, rate: {connections: 5, per: 50ms, burst: 9}}",
       ""},
      {"inboundConnections: {}", "inboundConnections: expected max or rate"},
      {"inboundConnections: {closeDelay: 1s, rate: {connections: 1}}",
       "inboundConnections.closeDelay: is for connections over max"},
      {"inboundConnections: {rate: {per: 1s}}",
       "inboundConnections.rate.connections: expected at least 1"},
      {"inboundConnections: {rate: {connections: 1, per: 10ms}}",
       "inboundConnections.rate.per: expected at least 50ms"},
      {"subset: v1, inboundConnections: {max: 1}",
       "inboundConnections: is of the host as a whole, not of a subset"},
      {"outlierReturn: {probePercent: 0}",
       "outlierReturn.probePercent: expected over 0, at most 100"},
  };
  for (const auto& row : rows) check("mesh/v1", "ServicePolicy", row.spec, row.want);
}

TEST_CASE("DestinationRule: pools and ejection", "[config]") {
  const struct {
    const char* policy;
    const char* want;
  } rows[] = {
      {"connectionPool: {tcp: {tcpKeepalive: {probes: 3, time: 60s, interval: 5s}}}", ""},
      {"connectionPool: {http: {maxRequestsPerConnection: 1, maxConcurrentStreams: 5}}", ""},
      {"outlierDetection: {splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: "
       "3, minHealthPercent: 50}",
       ""},
      {"connectionPool: {tcp: {tcpKeepalive: {time: 0.5s}}}",
       "trafficPolicy.connectionPool.tcp.tcpKeepalive.time: expected a number from 1 to 32767"},
      {"connectionPool: {http: {maxRequestsPerConnection: -1}}",
       "trafficPolicy.connectionPool.http.maxRequestsPerConnection: expected a number from 0, "
       "which is no limit"},
      {"outlierDetection: {minHealthPercent: 101}",
       "trafficPolicy.outlierDetection.minHealthPercent: expected a number from 0 to 100"},
      {"outlierDetection: {consecutiveLocalOriginFailures: 3}",
       "trafficPolicy.outlierDetection.consecutiveLocalOriginFailures: needs "
       "splitExternalLocalOriginErrors: true"},
  };
  for (const auto& row : rows)
    check("networking.istio.io/v1", "DestinationRule",
          std::string("trafficPolicy: {") + row.policy + "}", row.want);
}
