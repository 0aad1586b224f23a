// The circuit breaker of an interface, on an origin that fails, hangs and recovers.
#include <catch2/catch.hpp>

#include "scenario/proxy.h"
#include "support/http_peer.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using forward::filter::BreakerReport;
using resilience::Breaker;
using support::Message;
using support::Origin;
using support::Wire;

namespace {

std::string breakers_filter(const std::string& breakers) {
  return R"(
          - name: breaker
            typed_config:
              "@type": type.googleapis.com/mesh.xds.v1.CircuitBreaker
              breakers:)" +
         breakers;
}

std::string breaker(const std::string& name, const std::string& more) {
  return R"(
              - { name: )" +
         name + ", minimum_calls: 10, error_per_million: 500000, open: 0.3s, ramp: 0.2s" + more +
         " }";
}

BreakerReport report(Proxy& proxy, const std::string& name) {
  BreakerReport result;
  proxy.run([&](forward::Forwarder& f) {
    for (const auto& each : f.breakers())
      if (each.name == name) result = each;
  });
  return result;
}

// Each on a connection of its own, so that all workers have their part.
int asked_until_refused(Proxy& proxy, Origin& origin, const std::string& path = "/") {
  for (int i = 0; i < 30; ++i) {
    const Message answer = support::get(proxy.port(), path);
    if (answer.body.find("circuit breaker") != std::string::npos) break;
  }
  return int(origin.requests());
}

}  // namespace

TEST_CASE("scenario: circuit breaker: errors open it over all workers, and it recovers",
          "[forwarder]") {
  const uint32_t count = workers();
  Origin origin("a");
  origin.always(500);
  Proxy proxy(
      Front{.endpoints = ports({origin.port()}), .filters = breakers_filter(breaker("b", ""))}
          .yaml(),
      count);
  CHECK(asked_until_refused(proxy, origin) == 10);
  const Message refused = support::get(proxy.port());
  CHECK(refused.status == 503);
  CHECK(refused.field("x-envoy-overloaded") == "true");
  CHECK(report(proxy, "b").state == Breaker::State::Open);
  CHECK(report(proxy, "b").refused >= 2);
  CHECK(origin.requests() == 10);

  SECTION("its state survives a change of configuration") {
    const std::string other =
        Front{.endpoints = ports({origin.port()}),
              .filters = breakers_filter(breaker("b", ", method: GET") + breaker("c", ""))}
            .yaml();
    REQUIRE(proxy.apply(other).empty());
    CHECK(report(proxy, "b").changes_to[size_t(Breaker::State::Open)] == 1);
  }
  SECTION("trials go wrong: it opens again") {
    REQUIRE(support::wait_for([&] {
      support::get(proxy.port());
      return report(proxy, "b").changes_to[size_t(Breaker::State::Open)] == 2;
    }));
    CHECK(origin.requests() == 11);
  }
  SECTION("trials go well: it closes by and by") {
    origin.always(200);
    REQUIRE(support::wait_for([&] {
      support::get(proxy.port());
      return report(proxy, "b").state == Breaker::State::Closed;
    }));
    CHECK(report(proxy, "b").changes_to[size_t(Breaker::State::HalfOpen)] == 1);
    CHECK(report(proxy, "b").changes_to[size_t(Breaker::State::Ramping)] == 1);
    CHECK(support::get(proxy.port()).status == 200);
  }
}

TEST_CASE("scenario: circuit breaker: an origin that hangs", "[forwarder]") {
  const uint32_t count = workers();
  Origin origin("a");
  std::atomic<bool> stop{false};
  origin.handle([&](const Message&, Wire&) {
    support::wait_for([&] { return stop.load(); });
    return false;
  });
  Proxy proxy(Front{.route = R"(
              - match: { prefix: "/" }
                route: { cluster: svc, timeout: 0.05s })",
                    .endpoints = ports({origin.port()}),
                    .filters = breakers_filter(R"(
              - { name: b, minimum_calls: 5, timeout_per_million: 900000, open: 60s })")}
                  .yaml(),
              count);
  for (int i = 0; i < 5; ++i) CHECK(support::get(proxy.port()).status == 504);
  CHECK(support::get(proxy.port()).status == 503);
  CHECK(report(proxy, "b").state == Breaker::State::Open);
  CHECK(origin.requests() == 5);
  stop = true;
}

TEST_CASE("scenario: circuit breaker: only the interface that fails; fallbacks", "[forwarder]") {
  Origin origin("a");
  origin.handle([](const Message& request, Wire& wire) {
    const bool bad = request.start.find(" /bad") != std::string::npos;
    return wire.send(support::response(bad ? 500 : 200, "origin"));
  });
  Origin spare("spare");
  const auto front = [&](const std::string& fallback) {
    return Front{.endpoints = ports({origin.port()}),
                 .filters = breakers_filter(
                     breaker("bad", ", prefix: /bad, fallback: { " + fallback + " }") +
                     breaker("rest", ""))}
               .yaml() +
           R"(
  - name: spare
    type: STATIC
    load_assignment:
      cluster_name: spare
      endpoints:
      - lb_endpoints:
        - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: )" +
           std::to_string(spare.port()) + " } } }\n";
  };
  SECTION("a response") {
    Proxy proxy(front(R"(response: { status: 203, headers: [ { name: X-Source, value: cache } ],)"
                      R"( body: from the shelf })"),
                1);
    for (int i = 0; i < 10; ++i) CHECK(support::get(proxy.port(), "/bad/1").status == 500);
    const Message answer = support::get(proxy.port(), "/bad/2?x=1");
    CHECK(answer.status == 203);
    CHECK(answer.field("x-source") == "cache");
    CHECK(answer.body == "from the shelf");
    CHECK(support::get(proxy.port(), "/good").body == "origin");
    CHECK(report(proxy, "rest").state == Breaker::State::Closed);
    CHECK(report(proxy, "rest").window.calls == 1);
  }
  SECTION("another cluster") {
    Proxy proxy(front("cluster: spare"), 1);
    for (int i = 0; i < 10; ++i) CHECK(support::get(proxy.port(), "/bad/1").status == 500);
    CHECK(support::get(proxy.port(), "/bad/2").body == "spare");
    CHECK(support::get(proxy.port(), "/good").body == "origin");
    CHECK(report(proxy, "bad").fallbacks == 1);
  }
}
