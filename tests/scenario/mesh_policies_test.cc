// Policies of the mesh from their YAML to the wire: what the kinds of mesh/v1 and their
// neighbours in Istio promise, mesh-config(5).
#include <catch2/catch.hpp>

#include "scenario/mesh.h"
#include "support/http_peer.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using support::Message;
using support::Origin;
using support::Wire;

namespace {

using Answers = std::map<std::string, int>;

const std::string kWeb = instance("web", "web-1", 9);

// The forwarder of an instance of reviews in front of its application.
struct Callee {
  uint16_t port = support::unused_port();
  std::string yaml(const Origin& application) const {
    return service("reviews") +
           instance("reviews", "reviews-1", port, "", ", serviceAccount: reviews") +
           object("Sidecar", "reviews-1",
                  "{workloadSelector: {labels: {app: reviews}}, ingress: [{port: {number: " +
                      std::to_string(port) + ", protocol: HTTP, name: http}, defaultEndpoint: '" +
                      "127.0.0.1:" + std::to_string(application.port()) + "'}]}");
  }
};

}  // namespace

TEST_CASE("mesh: a CircuitBreaker opens, its fallback answers, and it closes again",
          "[forwarder]") {
  const uint32_t count = workers();
  Origin reviews("reviews"), spare("spare");
  const std::string services =
      kWeb + service("reviews") + service("spare") +
      instance("reviews", "reviews-1", reviews.port()) +
      instance("spare", "spare-1", spare.port(), ", version: v1") +
      object("DestinationRule", "spare",
             "{host: spare, subsets: [{name: v1, labels: {version: v1}}]}");
  const auto breaker = [](const std::string& fallback) {
    return object("CircuitBreaker", "reviews",
                  "{host: reviews, match: [{name: get, method: GET, uri: {prefix: /r}}], "
                  "thresholds: {errorPercent: 50}, minimumCalls: 8, openDuration: 0.3s, "
                  "trialCalls: 1, ramp: 0s, fallback: " +
                      fallback + "}");
  };
  Mesh mesh(services + breaker("{destination: {host: spare, subset: v1}}"));
  Proxy& web = mesh.start("web-1", count);
  reviews.always(500);
  REQUIRE(support::wait_for(
      [&] { return answers(web.port("outbound"), "reviews", 1, "/r/1").contains("spare"); }));
  const size_t asked = reviews.requests();
  CHECK(asked < 20);
  // Another interface of the host is not broken by it.
  CHECK(answers(web.port("outbound"), "reviews", 1, "/other") == Answers{{"500", 1}});
  // The object changes and its state stays: a response answers now.
  mesh.apply(services + breaker("{response: {status: 200, body: later}}"));
  reviews.always(200);
  REQUIRE(support::wait_for(
      [&] { return answers(web.port("outbound"), "reviews", 1, "/r/1").contains("reviews"); }));
  CHECK(answers(web.port("outbound"), "reviews", 10, "/r/1") == Answers{{"reviews", 10}});
}

TEST_CASE("mesh: a RateLimit holds over the workers of the callee's forwarder", "[forwarder]") {
  const uint32_t count = workers();
  Origin application("reviews");
  const Callee callee;
  Mesh mesh(callee.yaml(application) +
            object("RateLimit", "reviews",
                   "{host: reviews, responseHeaders: true, limits: [{name: all, requests: 5, "
                   "per: 60s, match: {uri: {prefix: /r}}}, {name: each, requests: 2, per: 60s, "
                   "each: {header: x-user}}]}"));
  Proxy& proxy = mesh.start("reviews-1", count);
  const auto outcome = answers(callee.port, "reviews", 9, "/r");
  CHECK(outcome == Answers{{"reviews", 5}, {"429", 4}});
  const Message refused = support::get(callee.port, "/r", "reviews");
  CHECK(refused.field("x-ratelimit-limit").starts_with("5"));
  CHECK(answers(callee.port, "reviews", 3, "/", "x-user: a\r\n") ==
        Answers{{"reviews", 2}, {"429", 1}});
  CHECK(answers(callee.port, "reviews", 2, "/", "x-user: b\r\n") == Answers{{"reviews", 2}});
  CHECK(answers(callee.port, "reviews", 4, "/") == Answers{{"reviews", 4}});
  CHECK(proxy.in_force() == 1);
}

TEST_CASE("mesh: ServicePolicy adaptiveConcurrency refuses over the limit that it found",
          "[forwarder]") {
  const uint32_t count = workers();
  Origin application("reviews");
  std::atomic<bool> go{false};
  application.handle([&](const Message&, Wire& wire) {
    support::wait_for([&] { return go.load(); });
    return wire.send(support::response(200, "reviews"));
  });
  const Callee callee;
  Mesh mesh(
      callee.yaml(application) +
      object("ServicePolicy", "reviews",
             "{host: reviews, adaptiveConcurrency: {minConcurrency: 2, maxConcurrency: 10}}"));
  mesh.start("reviews-1", count);
  std::vector<Wire> held;
  for (size_t i = 1; i <= 2; ++i) {
    held.push_back(Wire::connect(callee.port));
    held.back().send("GET / HTTP/1.1\r\nhost: reviews\r\n\r\n");
    REQUIRE(support::wait_for([&] { return application.requests() == i; }));
  }
  CHECK(support::get(callee.port, "/", "reviews").body == "reached concurrency limit");
  go = true;
  for (Wire& wire : held) CHECK(wire.read().status == 200);
}

TEST_CASE("mesh: ServicePolicy healthChecks take an instance out and back", "[forwarder]") {
  const uint32_t count = workers();
  Origin a("a"), b("b");
  std::atomic<int> health{200};
  b.handle([&](const Message& request, Wire& wire) {
    const bool check = request.start.starts_with("GET /healthz ");
    return wire.send(support::response(check ? health.load() : 200, "b"));
  });
  Mesh mesh(kWeb + service("reviews") + instance("reviews", "reviews-a", a.port()) +
            instance("reviews", "reviews-b", b.port()) +
            object("ServicePolicy", "reviews",
                   "{host: reviews, healthChecks: [{http: {path: /healthz}, timeout: 2s, "
                   "interval: 0.02s, noTrafficInterval: 0.02s, unhealthyThreshold: 1, "
                   "healthyThreshold: 1}]}"));
  Proxy& web = mesh.start("web-1", count);
  const auto seen = [&] { return answers(web.port("outbound"), "reviews", 30); };
  REQUIRE(support::wait_for([&] { return seen().size() == 2; }));
  health = 503;
  REQUIRE(support::wait_for([&] { return seen() == Answers{{"a", 30}}; }));
  health = 200;
  REQUIRE(support::wait_for([&] { return seen().size() == 2; }));
}

TEST_CASE("mesh: ServicePolicy hedging lets a slow try go on beside another", "[forwarder]") {
  const uint32_t count = workers();
  Origin first("first"), second("second");
  std::atomic<int> asked{0};
  const auto handler = [&](const Message&, Wire& wire) {
    if (asked.fetch_add(1) == 0) {
      // The elder answers, but only once there is a younger, which never does.
      support::wait_for([&] { return asked.load() == 2; });
      return wire.send(support::response(200, "elder"));
    }
    return !wire.closed(8000);
  };
  first.handle(handler);
  second.handle(handler);
  Mesh mesh(
      kWeb + service("reviews") + instance("reviews", "reviews-1", first.port()) +
      instance("reviews", "reviews-2", second.port()) +
      object("VirtualService", "reviews",
             "{hosts: [reviews], http: [{route: [{destination: {host: reviews}}], "
             "timeout: 6s, retries: {attempts: 2, perTryTimeout: 0.1s}}]}") +
      object("ServicePolicy", "reviews", "{host: reviews, hedging: {onPerTryTimeout: true}}"));
  Proxy& web = mesh.start("web-1", count);
  CHECK(support::get(web.port("outbound"), "/", "reviews").body == "elder");
  CHECK(asked >= 2);
}

TEST_CASE("mesh: ServicePolicy stickySession, also when instances come", "[forwarder]") {
  const uint32_t count = workers();
  Origin a("a"), b("b"), c("c");
  const auto yaml = [&](const std::string& more) {
    return kWeb + service("reviews") + instance("reviews", "reviews-a", a.port()) +
           instance("reviews", "reviews-b", b.port()) + more +
           object("ServicePolicy", "reviews",
                  "{host: reviews, stickySession: {cookie: {name: sid, ttl: 60s}}}");
  };
  Mesh mesh(yaml(""));
  Proxy& web = mesh.start("web-1", count);
  const Message first = support::get(web.port("outbound"), "/", "reviews");
  REQUIRE(first.status == 200);
  const std::string made = first.field("set-cookie");
  REQUIRE(made.starts_with("sid=\""));
  const std::string cookie = "cookie: " + made.substr(0, made.find(';')) + "\r\n";
  CHECK(answers(web.port("outbound"), "reviews", 10, "/", cookie) == Answers{{first.body, 10}});
  mesh.apply(yaml(instance("reviews", "reviews-c", c.port())));
  CHECK(answers(web.port("outbound"), "reviews", 10, "/", cookie) == Answers{{first.body, 10}});
  CHECK(answers(web.port("outbound"), "reviews", 60).size() == 3);
}

TEST_CASE("mesh: an ejected instance returns with the share that outlierReturn gives it",
          "[forwarder]") {
  const uint32_t count = workers();
  Origin bad("bad"), good("good");
  bad.always(503);
  const std::string services = kWeb + service("reviews") +
                               instance("reviews", "reviews-1", bad.port()) +
                               instance("reviews", "reviews-2", good.port());
  const std::string back =
      object("ServicePolicy", "reviews",
             "{host: reviews, outlierReturn: {probePercent: 10, probeTime: 3600s, ramp: 10s}}");
  Mesh mesh(services + back +
            object("DestinationRule", "reviews",
                   "{host: reviews, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}, "
                   "outlierDetection: {consecutive5xxErrors: 3, interval: 0.1s, "
                   "baseEjectionTime: 0.05s, maxEjectionPercent: 100}}}"));
  Proxy& web = mesh.start("web-1", count);
  const uint16_t port = web.port("outbound");
  const auto ejected = [&] {
    uint32_t active = 0;
    web.run([&](forward::Forwarder& f) {
      active = f.snapshot()->clusters.at("outbound|80||reviews")->shared->outlier.ejected();
    });
    return active;
  };
  REQUIRE(support::wait_for([&] {
    answers(port, "reviews", 4);
    return ejected() == 1;
  }));
  bad.always(200);
  REQUIRE(support::wait_for([&] { return ejected() == 0; }));
  const auto seen = answers(port, "reviews", 400);
  const auto found = seen.find("bad");
  REQUIRE(found != seen.end());
  CHECK(found->second < 100);  // half of them would be 200, a tenth of that 20
}
