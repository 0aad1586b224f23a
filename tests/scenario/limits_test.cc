// Limits of connections, requests a connection, priorities, and what they count.
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <catch2/catch.hpp>

#include "base/file.h"
#include "scenario/load.h"
#include "scenario/proxy.h"
#include "support/http_peer.h"
#include "support/temp_dir.h"
#include "support/wait.h"
#include "upstream/cluster_stats.h"

using namespace mesh;
using namespace mesh::scenario;
using support::Message;
using support::Origin;
using support::Wire;

namespace {

// Holds every answer back until told.
struct Slow {
  Slow() {
    origin.handle([this](const Message&, Wire& wire) {
      support::wait_for([this] { return go.load(); });
      return wire.send(support::response(200, "slow"));
    });
  }
  std::atomic<bool> go{false};
  Origin origin{"slow"};
};

uint64_t stat(Proxy& proxy, const std::string& name) {
  uint64_t value = 0;
  proxy.run([&](forward::Forwarder& f) {
    for (const auto& one : upstream::cluster_stats(*f.snapshot()->clusters.at("svc"), f.now()))
      if (one.name == name) value = one.value;
  });
  return value;
}

void ask(Wire& wire) { wire.send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n"); }

}  // namespace

// The bound of Envoy's "Cluster maximum connections": each worker has its own pool, and a
// pool without any connection gets one.
TEST_CASE("scenario: connections are limited over all workers, and each worker has one",
          "[forwarder]") {
  constexpr size_t kClients = 8, kMost = 2;
  const uint32_t count = workers();
  Slow slow;
  const auto limit = GENERATE(
      R"(
    circuit_breakers: { thresholds: [ { max_connections: 2 } ] })",
      R"(
    circuit_breakers: { per_host_thresholds: [ { max_connections: 2 } ] })");
  Proxy proxy(Front{.endpoints = ports({slow.origin.port()}),
                    .cluster = std::string(limit) + "\n    max_requests_per_connection: 1"}
                  .yaml(),
              count);
  std::vector<Wire> wires;
  for (size_t i = 0; i < kClients; ++i) {
    wires.push_back(Wire::connect(proxy.port()));
    ask(wires.back());
  }
  // Each request is at the origin or waits for a connection, and none is being made.
  REQUIRE(support::wait_for([&] {
    const size_t there = slow.origin.requests();
    return there >= kMost && there + stat(proxy, "upstream_rq_pending_active") == kClients &&
           there == stat(proxy, "upstream_cx_active");
  }));
  CHECK(slow.origin.connections() >= kMost);
  CHECK(slow.origin.connections() <= kMost + count - 1);
  CHECK(support::wait_for([&] { return stat(proxy, "upstream_cx_overflow") >= kClients - kMost; }));
  slow.go = true;
  for (Wire& wire : wires) CHECK(wire.read().status == 200);
  CHECK(support::wait_for([&] { return stat(proxy, "upstream_cx_active") == 0; }));
  CHECK(stat(proxy, "upstream_cx_total") == kClients);
}

TEST_CASE("scenario: a connection that another worker keeps idle takes nobody's place",
          "[forwarder]") {
  const uint32_t count = workers();
  Origin origin("a");
  const std::string limit = GENERATE(
      R"(
    circuit_breakers: { thresholds: [ { max_connections: 1, track_remaining: true } ] })",
      R"(
    circuit_breakers: { per_host_thresholds: [ { max_connections: 1 } ] })");
  Proxy proxy(Front{.endpoints = ports({origin.port()}), .cluster = limit}.yaml(), count);
  // Clients come, and stay, until every worker has had one.
  std::vector<Wire> wires;
  while (wires.size() < 64 && (wires.size() < 8 || origin.connections() < count)) {
    wires.push_back(Wire::connect(proxy.port()));
    ask(wires.back());
    REQUIRE(wires.back().read().status == 200);
  }
  CHECK(origin.connections() == count);
  CHECK(stat(proxy, "upstream_cx_active") == count);
  // One for each worker beyond the first.
  CHECK(stat(proxy, "upstream_cx_overflow") == count - 1);
  if (limit.find("track_remaining") != std::string::npos) {
    CHECK(stat(proxy, "circuit_breakers.default.cx_open") == 1);
    CHECK(stat(proxy, "circuit_breakers.default.remaining_cx") == 0);
  }
}

TEST_CASE("scenario: a host has a connection though another has taken the cluster's last",
          "[forwarder]") {
  const uint32_t count = workers();
  Slow a, b;
  Proxy proxy(Front{.endpoints = ports({a.origin.port(), b.origin.port()}), .cluster = R"(
    circuit_breakers: { thresholds: [ { max_connections: 1 } ] })"}
                  .yaml(),
              count);
  std::vector<Wire> wires;
  for (int i = 0; i < 4; ++i) {
    wires.push_back(Wire::connect(proxy.port()));
    ask(wires.back());
  }
  REQUIRE(support::wait_for([&] { return a.origin.requests() > 0 && b.origin.requests() > 0; }));
  CHECK(a.origin.connections() <= count);
  CHECK(b.origin.connections() <= count);
  CHECK(stat(proxy, "upstream_cx_overflow") >= 1);
  a.go = b.go = true;
  for (Wire& wire : wires) CHECK(wire.read().status == 200);
}

TEST_CASE("scenario: requests that wait for a connection are limited", "[forwarder]") {
  Slow slow;
  Proxy proxy(Front{.endpoints = ports({slow.origin.port()}), .cluster = R"(
    circuit_breakers: { thresholds: [ { max_connections: 1, max_pending_requests: 1, track_remaining: true } ] })"}
                  .yaml(),
              1);
  Wire one = Wire::connect(proxy.port());
  ask(one);
  REQUIRE(support::wait_for([&] { return slow.origin.requests() == 1; }));
  Wire two = Wire::connect(proxy.port());
  ask(two);
  REQUIRE(support::wait_for([&] { return stat(proxy, "upstream_rq_pending_active") == 1; }));
  CHECK(stat(proxy, "circuit_breakers.default.rq_pending_open") == 1);
  CHECK(stat(proxy, "circuit_breakers.default.remaining_pending") == 0);
  CHECK(stat(proxy, "circuit_breakers.default.cx_open") == 1);
  const Message refused = support::get(proxy.port());
  CHECK(refused.status == 503);
  CHECK(refused.field("x-envoy-overloaded") == "true");
  CHECK(stat(proxy, "upstream_rq_pending_overflow") == 1);
  slow.go = true;
  CHECK(one.read().status == 200);
  CHECK(two.read().status == 200);
  CHECK(stat(proxy, "upstream_rq_2xx") == 2);
}

TEST_CASE("scenario: priority HIGH has limits of its own", "[forwarder]") {
  const uint32_t count = workers();
  Slow slow;
  Proxy proxy(Front{.route = R"(
              - match: { prefix: "/", headers: [ { name: x-urgent, present_match: true } ] }
                route: { cluster: svc, priority: HIGH }
              - match: { prefix: "/" }
                route: { cluster: svc })",
                    .endpoints = ports({slow.origin.port()}),
                    .cluster = R"(
    circuit_breakers: { thresholds: [ { max_requests: 1 }, { priority: HIGH, max_requests: 1 } ] })"}
                  .yaml(),
              count);
  Wire plain = Wire::connect(proxy.port());
  ask(plain);
  REQUIRE(support::wait_for([&] { return slow.origin.requests() == 1; }));
  CHECK(support::get(proxy.port()).status == 503);
  Wire urgent = Wire::connect(proxy.port());
  urgent.send("GET / HTTP/1.1\r\nhost: svc\r\nx-urgent: 1\r\n\r\n");
  REQUIRE(support::wait_for([&] { return slow.origin.requests() == 2; }));
  CHECK(support::get(proxy.port(), "/", "svc", "x-urgent: 1\r\n").status == 503);
  slow.go = true;
  CHECK(plain.read().status == 200);
  CHECK(urgent.read().status == 200);
}

TEST_CASE("scenario: a connection takes so many requests and no more", "[forwarder]") {
  Origin origin("a");
  Proxy proxy(
      Front{.endpoints = ports({origin.port()}), .cluster = "\n    max_requests_per_connection: 3"}
          .yaml(),
      1);
  Wire client = Wire::connect(proxy.port());
  for (int i = 0; i < 9; ++i) {
    ask(client);
    CHECK(client.read().body == "a");
  }
  CHECK(origin.connections() == 3);
  CHECK(stat(proxy, "upstream_cx_max_requests") == 3);
}

TEST_CASE("scenario: an upstream's connection has its time, and no request is lost by its end",
          "[forwarder]") {
  const uint32_t count = workers();
  const bool http2 = GENERATE(false, true);
  Origin origin("a");
  // Of HTTP/2 it is another forwarder.
  Proxy callee(Front{.endpoints = ports({origin.port()})}.yaml(), 1);
  Proxy proxy(
      Front{.endpoints = ports({http2 ? callee.port() : origin.port()}),
            .cluster = std::string(R"(
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        common_http_protocol_options: { max_connection_duration: 0.05s }
        explicit_http_config: { )") +
                       (http2 ? "http2_protocol_options" : "http_protocol_options") + ": {} }"}
          .yaml(),
      count);
  Load load(proxy.port(), 3);
  const char* const made = http2 ? "upstream_cx_http2_total" : "upstream_cx_http1_total";
  CHECK(support::wait_for([&] { return stat(proxy, made) >= 10; }));
  load.stop();
  CHECK(load.lost() == 0);
  CHECK(load.answered() > 0);
  // Those that nobody uses go as well.
  CHECK(support::wait_for([&] { return stat(proxy, "upstream_cx_active") == 0; }));
  CHECK(stat(proxy, "upstream_cx_max_duration_reached") == stat(proxy, "upstream_cx_total"));
}

TEST_CASE("scenario: keep-alive probes are set on the sockets", "[forwarder]") {
  Origin origin("a");
  Proxy proxy(Front{.endpoints = ports({origin.port()}), .cluster = R"(
    upstream_connection_options: { tcp_keepalive: { keepalive_probes: 5, keepalive_time: 77, keepalive_interval: 7 } })"}
                  .yaml(),
              1);
  REQUIRE(support::get(proxy.port()).status == 200);
  // Ours is the one descriptor of this process with these values.
  bool found = false;
  for (int fd = 3; fd < 1024 && !found; ++fd) {
    int probes = 0, time = 0, interval = 0;
    socklen_t size = sizeof probes;
    if (getsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, &size) != 0) continue;
    getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &time, &size);
    getsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, &size);
    found = probes == 5 && time == 77 && interval == 7;
  }
  CHECK(found);
}

TEST_CASE("scenario: a host returns with a share of its requests", "[forwarder]") {
  Origin bad("bad"), good("good");
  bad.always(503);
  Proxy proxy(Front{.endpoints = ports({bad.port(), good.port()}), .cluster = R"(
    typed_extension_protocol_options:
      mesh.xds.v1.OutlierReturn:
        "@type": type.googleapis.com/mesh.xds.v1.OutlierReturn
        probe_percent: { value: 10 }
        probe_time: 3600s
    outlier_detection:
      consecutive_5xx: 3
      base_ejection_time: 0.05s
      max_ejection_percent: 100)"}
                  .yaml(),
              1);
  REQUIRE(support::wait_for([&] {
    support::get(proxy.port());
    return stat(proxy, "outlier_detection.ejections_enforced_consecutive_5xx") == 1;
  }));
  bad.always(200);
  REQUIRE(
      support::wait_for([&] { return stat(proxy, "outlier_detection.ejections_active") == 0; }));
  int back = 0;
  Wire client = Wire::connect(proxy.port());
  for (int i = 0; i < 500; ++i) {
    ask(client);
    if (client.read().body == "bad") ++back;
  }
  // Half of them would be 250; a tenth of its half is 25.
  CHECK(back > 2);
  CHECK(back < 90);
}

TEST_CASE("scenario: ejections and returns go to the event log", "[forwarder]") {
  support::TempDir folder;
  const std::string path = folder.file("ejections");
  Origin bad("bad");
  bad.always(503);
  Proxy proxy(Front{.endpoints = ports({bad.port()}), .cluster = R"(
    outlier_detection: { consecutive_5xx: 3, base_ejection_time: 0.05s, max_ejection_percent: 100 })"}
                      .yaml() +
                  "cluster_manager: { outlier_detection: { event_log_path: " + path + " } }\n",
              1);
  const auto has = [&](const std::string& what) {
    return support::wait_for([&] {
      const auto text = file::read(path, 1 << 20);
      return text && text->find(what) != std::string::npos;
    });
  };
  for (int i = 0; i < 3; ++i) support::get(proxy.port());
  REQUIRE(has("{\"type\":\"CONSECUTIVE_5XX\",\"timestamp\":"));
  CHECK(has("\"upstream_url\":\"127.0.0.1:" + std::to_string(bad.port()) +
            "\",\"action\":\"EJECT\",\"num_ejections\":1,\"enforced\":true}"));
  CHECK(has("\"action\":\"UNEJECT\""));
}

TEST_CASE("scenario: success rates eject at the interval's end", "[forwarder]") {
  const uint32_t count = workers();
  Origin a("a"), b("b"), c("c");
  std::atomic<int> turn{0};
  c.handle([&](const Message&, Wire& wire) {
    // Never five in a row: only the rate tells.
    return wire.send(support::response(++turn % 3 == 0 ? 200 : 500, "c"));
  });
  Proxy proxy(Front{.endpoints = ports({a.port(), b.port(), c.port()}), .cluster = R"(
    outlier_detection:
      interval: 0.3s
      base_ejection_time: 60s
      max_ejection_percent: 50
      enforcing_success_rate: 0
      enforcing_failure_percentage: 100
      failure_percentage_threshold: 50
      failure_percentage_minimum_hosts: 3
      failure_percentage_request_volume: 3)"}
                  .yaml(),
              count);
  REQUIRE(support::wait_for([&] {
    for (int i = 0; i < 30; ++i) support::get(proxy.port());
    return stat(proxy, "outlier_detection.ejections_enforced_failure_percentage") == 1;
  }));
  REQUIRE(support::wait_for([&] { return stat(proxy, "membership_healthy") == 2; }));
  for (int i = 0; i < 20; ++i) CHECK(support::get(proxy.port()).body != "c");
}

TEST_CASE("scenario: everything of a cluster changes under load, and nothing is lost",
          "[forwarder]") {
  const uint32_t count = workers();
  Origin a("a"), b("b"), bad("bad");
  bad.always(503);
  const auto yaml = [&](int round) {
    const std::string n = std::to_string(round % 7 + 1);
    const std::string breakers = round % 2 == 0 ? ""
                                                : R"(
    circuit_breakers: { thresholds: [ { max_connections: 100)" +
                                                      n + " } ] }";
    const std::string checks =
        round % 3 == 0
            ? ""
            : R"(
    health_checks:
    - { timeout: 1s, interval: 0.0)" +
                  n + R"(s, unhealthy_threshold: 2, healthy_threshold: 1, tcp_health_check: {} })";
    return Front{.route = R"(
              - match: { prefix: "/" }
                route:
                  cluster: svc
                  retry_policy: { retry_on: "5xx", num_retries: 5, retry_back_off: { base_interval: 0.001s } })",
                 .endpoints = round % 2 == 0 ? ports({a.port(), b.port(), bad.port()})
                                             : ports({bad.port(), b.port(), a.port()}),
                 .cluster = breakers + checks + R"(
    lb_policy: )" + (round % 2 == 0 ? "ROUND_ROBIN" : "LEAST_REQUEST") +
                            R"(
    outlier_detection: { successful_active_health_check_uneject_host: false, consecutive_5xx: 2, interval: 0.1s, base_ejection_time: 3600s, max_ejection_time: 3600s, max_ejection_percent: 4)" +
                            n + " }"}
        .yaml();
  };
  Proxy proxy(yaml(0), count);
  Load load(proxy.port(), 3);
  for (int round = 1; round <= 30; ++round) {
    REQUIRE(proxy.apply(yaml(round)) == "");
    const size_t before = load.answered();
    REQUIRE(support::wait_for([&] { return load.answered() > before + 5; }));
  }
  load.stop();
  CHECK(load.lost() == 0);
  // Ejected once, for an hour, through all that.
  CHECK(stat(proxy, "outlier_detection.ejections_enforced_total") == 1);
  CHECK(bad.requests() < 60);
}
