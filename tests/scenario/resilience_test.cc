// Retries, timeouts, ejection, weights, matches, faults: what a policy promises.
#include <catch2/catch.hpp>
#include <chrono>
#include <map>

#include "scenario/proxy.h"
#include "support/http_peer.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using support::Message;
using support::ms_since;
using support::Origin;
using support::Wire;

namespace {

constexpr const char* kRetryRoute = R"(
              - match: { prefix: "/" }
                route:
                  cluster: svc
                  retry_policy:
                    retry_on: "5xx,connect-failure,reset"
                    num_retries: 3
                    retry_back_off: { base_interval: 0.001s, max_interval: 0.01s }
                    retry_host_predicate:
                    - name: envoy.retry_host_predicates.previous_hosts
                      typed_config: { "@type": type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate }
                    host_selection_retry_max_attempts: 5)";

}  // namespace

TEST_CASE("scenario: a 503 is retried elsewhere", "[forwarder]") {
  const uint32_t count = workers();
  Origin bad("bad");
  Origin good("good");
  bad.always(503);
  Proxy proxy(Front{.route = kRetryRoute, .endpoints = ports({bad.port(), good.port()})}.yaml(),
              count);
  for (int i = 0; i < 20; ++i) CHECK(support::get(proxy.port()).body == "good");
  CHECK(bad.requests() > 0);
}

TEST_CASE("scenario: a body is sent again with its retry", "[forwarder]") {
  Origin bad("bad");
  Origin good("good");
  bad.always(503);
  good.handle([](const Message& request, Wire& wire) {
    return wire.send(support::response(200, request.body));
  });
  Proxy proxy(Front{.route = kRetryRoute, .endpoints = ports({bad.port(), good.port()})}.yaml(), 1);
  Wire client = Wire::connect(proxy.port());
  for (int i = 0; i < 10; ++i) {
    client.send("POST / HTTP/1.1\r\nhost: svc\r\ncontent-length: 5\r\n\r\nhello");
    CHECK(client.read().body == "hello");
  }
  CHECK(bad.requests() > 0);
}

TEST_CASE("scenario: a host that refuses connections is passed over", "[forwarder]") {
  Origin good("good");
  Proxy proxy(
      Front{.route = kRetryRoute, .endpoints = ports({support::unused_port(), good.port()})}.yaml(),
      1);
  for (int i = 0; i < 10; ++i) CHECK(support::get(proxy.port()).body == "good");
}

TEST_CASE("scenario: retries end and the last answer stands", "[forwarder]") {
  Origin bad("bad");
  bad.always(503);
  Proxy proxy(Front{.route = kRetryRoute, .endpoints = ports({bad.port()})}.yaml(), 1);
  const Message answer = support::get(proxy.port());
  CHECK(answer.status == 503);
  CHECK(answer.body == "bad");
  CHECK(bad.requests() == 4);
}

TEST_CASE("scenario: 504 at the route's deadline", "[forwarder]") {
  Origin slow("slow");
  slow.handle([](const Message&, Wire& wire) { return !wire.closed(5000); });
  Proxy proxy(Front{.route = R"(
              - match: { prefix: "/" }
                route: { cluster: svc, timeout: 0.2s })",
                    .endpoints = ports({slow.port()})}
                  .yaml(),
              1);
  const auto start = std::chrono::steady_clock::now();
  CHECK(support::get(proxy.port()).status == 504);
  CHECK(ms_since(start) >= 199);
  CHECK(ms_since(start) < 3000);
}

TEST_CASE("scenario: a slow try is given up and made elsewhere", "[forwarder]") {
  Origin slow("slow");
  Origin good("good");
  slow.handle([](const Message&, Wire& wire) { return !wire.closed(5000); });
  Proxy proxy(Front{.route = R"(
              - match: { prefix: "/" }
                route:
                  cluster: svc
                  timeout: 5s
                  retry_policy:
                    retry_on: "5xx"
                    num_retries: 2
                    per_try_timeout: 0.1s
                    retry_host_predicate:
                    - name: envoy.retry_host_predicates.previous_hosts
                      typed_config: { "@type": type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate }
                    host_selection_retry_max_attempts: 5)",
                    .endpoints = ports({slow.port(), good.port()})}
                  .yaml(),
              1);
  for (int i = 0; i < 4; ++i) CHECK(support::get(proxy.port()).body == "good");
  CHECK(slow.requests() > 0);
}

TEST_CASE("scenario: a dead origin is left alone, and tried again after the pause", "[forwarder]") {
  const uint32_t count = workers();
  Origin bad("bad");
  Origin good("good");
  bad.always(503);
  Proxy proxy(Front{.endpoints = ports({bad.port(), good.port()}), .cluster = R"(
    outlier_detection:
      consecutive_5xx: 3
      interval: 0.05s
      base_ejection_time: 0.5s
      max_ejection_percent: 100)"}
                  .yaml(),
              count);
  REQUIRE(support::wait_for(
      [&] { return support::get(proxy.port()).status == 503 && bad.requests() >= 3; }));
  bad.always(200);
  for (int i = 0; i < 10; ++i) CHECK(support::get(proxy.port()).body == "good");
  CHECK(bad.requests() == 3);
  CHECK(support::wait_for([&] { return support::get(proxy.port()).body == "bad"; }));
}

TEST_CASE("scenario: weights share requests, a header sends one user elsewhere", "[forwarder]") {
  const uint32_t count = workers();
  Origin a("a");
  Origin b("b");
  const auto cluster = [](const std::string& name, uint16_t port) {
    return R"(
  - name: )" +
           name + R"(
    type: STATIC
    load_assignment:
      cluster_name: )" +
           name + R"(
      endpoints:
      - lb_endpoints:
        - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: )" +
           std::to_string(port) + " } } }";
  };
  const std::string yaml = Front{.route = R"(
              - match: { prefix: "/", headers: [ { name: end-user, string_match: { exact: jason } } ] }
                route: { cluster: b }
              - match: { prefix: "/" }
                route:
                  weighted_clusters:
                    clusters:
                    - { name: a, weight: 90 }
                    - { name: b, weight: 10 })",
                                 .endpoints = ports({a.port()})}
                               .yaml() +
                           cluster("a", a.port()) + cluster("b", b.port());
  Proxy proxy(yaml, count);
  Wire client = Wire::connect(proxy.port());
  std::map<std::string, int> seen;
  for (int i = 0; i < 1000; ++i) {
    client.send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n");
    ++seen[client.read().body];
  }
  CHECK(seen["a"] + seen["b"] == 1000);
  CHECK(seen["b"] > 50);
  CHECK(seen["b"] < 160);
  for (int i = 0; i < 20; ++i)
    CHECK(support::get(proxy.port(), "/", "svc", "end-user: jason\r\n").body == "b");
}

TEST_CASE("scenario: faults delay and abort, below retries and timeouts", "[forwarder]") {
  Origin origin("a");
  const std::string filter = R"(
          - name: envoy.filters.http.fault
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault })";
  const auto route = [](const std::string& fault, const std::string& action) {
    return R"(
              - match: { prefix: "/" }
                typed_per_filter_config:
                  envoy.filters.http.fault:
                    "@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault
                    )" +
           fault + R"(
                route: { cluster: svc)" +
           action + " }";
  };
  const auto always = std::string("percentage: { numerator: 100, denominator: HUNDRED } }");
  SECTION("an abort answers in the upstream's place") {
    Proxy proxy(Front{.route = route("abort: { http_status: 418, " + always, ""),
                      .endpoints = ports({origin.port()}),
                      .filters = filter}
                    .yaml(),
                1);
    CHECK(support::get(proxy.port()).status == 418);
    CHECK(origin.requests() == 0);
  }
  SECTION("a delay comes before the try") {
    Proxy proxy(Front{.route = route("delay: { fixed_delay: 0.15s, " + always, ""),
                      .endpoints = ports({origin.port()}),
                      .filters = filter}
                    .yaml(),
                1);
    const auto start = std::chrono::steady_clock::now();
    CHECK(support::get(proxy.port()).status == 200);
    CHECK(ms_since(start) >= 149);
  }
  SECTION("a delay longer than the timeout is a timeout") {
    Proxy proxy(Front{.route = route("delay: { fixed_delay: 30s, " + always, ", timeout: 0.1s"),
                      .endpoints = ports({origin.port()}),
                      .filters = filter}
                    .yaml(),
                1);
    CHECK(support::get(proxy.port()).status == 504);
    CHECK(origin.requests() == 0);
  }
}

TEST_CASE("scenario: limits over all workers hold back with 503 UO", "[forwarder]") {
  const uint32_t count = workers();
  Origin slow("slow");
  std::atomic<bool> go{false};
  slow.handle([&](const Message&, Wire& wire) {
    support::wait_for([&] { return go.load(); });
    return wire.send(support::response(200, "slow"));
  });
  Proxy proxy(Front{.endpoints = ports({slow.port()}), .cluster = R"(
    circuit_breakers: { thresholds: [ { max_requests: 2 } ] })"}
                  .yaml(),
              count);
  Wire one = Wire::connect(proxy.port());
  Wire two = Wire::connect(proxy.port());
  one.send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n");
  two.send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n");
  REQUIRE(support::wait_for([&] { return slow.requests() == 2; }));
  CHECK(support::get(proxy.port()).status == 503);
  go = true;
  CHECK(one.read().status == 200);
  CHECK(two.read().status == 200);
  CHECK(support::get(proxy.port()).status == 200);
}
