// What single fields of DestinationRules and VirtualServices do, from YAML to the wire:
// callers by label, statuses that are errors, zones, cookies, budgets, counts of routes.
#include <algorithm>
#include <catch2/catch.hpp>

#include "scenario/mesh.h"
#include "support/http2_frames.h"
#include "support/http_peer.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using support::Origin;

namespace {

using Answers = std::map<std::string, int>;

const std::string kWeb = service("web") + instance("web", "web-1", 9);

std::string rule(const std::string& fields, const std::string& name = "reviews") {
  return object("DestinationRule", name, "{host: reviews, " + fields + "}");
}

std::string reviews(const Origin& origin, const std::string& name = "reviews-1",
                    const std::string& more = "") {
  return instance("reviews", name, origin.port(), "", more);
}

// Sums over workers of the counts of our own, by name and label values.
std::map<std::string, uint64_t> numbers(Proxy& proxy) {
  std::map<std::string, uint64_t> result;
  proxy.run([&](forward::Forwarder& f) {
    telemetry::Snapshot totals;
    f.collect(totals);
    for (const auto& [key, value] : totals.numbers) {
      std::string name = key.name;
      for (const auto& [label, text] : key.labels) name += " " + text;
      result[name] = value;
    }
  });
  return result;
}

}  // namespace

TEST_CASE("mesh: a DestinationRule holds for the callers that it selects", "[forwarder]") {
  const uint32_t count = workers();
  Origin origin("clear");
  // Whoever follows it speaks TLS to an origin that does not.
  Mesh mesh(kWeb + instance("web", "web-2", 10, ", tier: batch") + service("reviews") +
            reviews(origin) + rule("trafficPolicy: {loadBalancer: {simple: RANDOM}}") +
            rule("workloadSelector: {matchLabels: {tier: batch}}, trafficPolicy: {tls: {mode: "
                 "SIMPLE}, connectionPool: {tcp: {connectTimeout: 100ms}}}",
                 "batch"));
  const auto doubles = std::count_if(
      mesh.warnings().begin(), mesh.warnings().end(),
      [](const std::string& line) { return line.find("another one") != std::string::npos; });
  CHECK(doubles == 0);
  Proxy& plain = mesh.start("web-1", count);
  Proxy& batch = mesh.start("web-2", count);
  CHECK(answers(plain.port("outbound"), "reviews", 6) == Answers{{"clear", 6}});
  CHECK(answers(batch.port("outbound"), "reviews", 2) == Answers{{"503", 2}});
}

TEST_CASE("mesh: outlierDetectionHttpErrorCodes says what ejects", "[forwarder]") {
  const uint32_t count = workers();
  Origin odd("odd"), even("even");
  Mesh mesh(kWeb + service("reviews") + reviews(odd) + reviews(even, "reviews-2") +
            rule("trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}, outlierDetection: "
                 "{consecutive5xxErrors: 2, interval: 1s, baseEjectionTime: 60s, "
                 "maxEjectionPercent: 100, outlierDetectionHttpErrorCodes: [404]}}"));
  Proxy& web = mesh.start("web-1", count);
  // 500 is no error any more.
  odd.always(500);
  auto seen = answers(web.port("outbound"), "reviews", 40);
  CHECK(seen["500"] > 10);
  CHECK(seen["even"] > 10);
  odd.always(404);
  REQUIRE(support::wait_for([&] {
    return answers(web.port("outbound"), "reviews", 8) == Answers{{"even", 8}};
  }));
}

TEST_CASE("mesh: zoneAwareLbSetting keeps to the zone, and regions apart", "[forwarder]") {
  const uint32_t count = workers();
  Origin near("near"), far("far"), abroad("abroad");
  const std::string base = service("web") + instance("web", "web-1", 9, "", ", locality: r/z1") +
                           instance("web", "web-2", 10, "", ", locality: r/z2") +
                           service("reviews") + reviews(near, "reviews-1", ", locality: r/z1") +
                           reviews(far, "reviews-2", ", locality: r/z2");
  const std::string elsewhere = reviews(abroad, "reviews-3", ", locality: other/z1");
  const auto zones = [](const std::string& setting) {
    return rule("trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN, zoneAwareLbSetting: {" +
                setting + "}}}");
  };
  Mesh mesh(base + zones("minClusterSize: 1"));
  Proxy& web = mesh.start("web-1", count);
  CHECK(answers(web.port("outbound"), "reviews", 40) == Answers{{"near", 40}});
  mesh.apply(base + elsewhere + zones("enabled: false"));
  CHECK(answers(web.port("outbound"), "reviews", 30).size() == 3);
  // Too few for zones; the other region serves nobody while this one is well.
  mesh.apply(base + elsewhere + zones("minClusterSize: 6"));
  auto seen = answers(web.port("outbound"), "reviews", 40);
  CHECK(seen["near"] + seen["far"] == 40);
  CHECK(seen["far"] > 10);
}

TEST_CASE("mesh: the cookie of a consistent hash has the attributes of its rule", "[forwarder]") {
  Origin origin("a");
  Mesh mesh(kWeb + service("reviews") + reviews(origin) +
            rule("trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: who, path: /, "
                 "ttl: 60s, attributes: [{name: SameSite, value: Strict}, {name: Secure}]}}}}"));
  Proxy& web = mesh.start("web-1");
  const std::string cookie = support::get(web.port("outbound"), "/", "reviews").field("set-cookie");
  INFO(cookie);
  CHECK(cookie.starts_with("who=\""));
  CHECK(cookie.ends_with("\"; Max-Age=60; Path=/; SameSite=Strict; Secure; HttpOnly"));
}

TEST_CASE("mesh: http2KeepAlive ends connections that answer no PING", "[forwarder]") {
  Origin origin("a");
  std::atomic<int> ended{0};
  origin.handle([&](const support::Message& request, support::Wire& wire) {
    if (!request.start.starts_with("PRI ")) return false;
    wire.send(support::h2::frame(support::h2::Settings, 0, 0, ""));
    wire.read_all();  // never a word
    ++ended;
    return false;
  });
  Mesh mesh(kWeb + service("reviews", "GRPC") + reviews(origin) +
            rule("trafficPolicy: {connectionPool: {http: {http2KeepAlive: {interval: 50ms, "
                 "timeout: 200ms}}}}"));
  Proxy& web = mesh.start("web-1");
  CHECK(support::get(web.port("outbound"), "/", "reviews").status == 503);
  CHECK(support::wait_for([&] { return ended > 0; }));
}

TEST_CASE("mesh: a retryBudget's interval counts the requests within it", "[forwarder]") {
  const uint32_t count = workers();
  Origin origin("a");
  Mesh mesh(kWeb + service("reviews") + reviews(origin) +
            rule("trafficPolicy: {retryBudget: {percent: 50, budgetInterval: 3600s}}"));
  Proxy& web = mesh.start("web-1", count);
  CHECK(answers(web.port("outbound"), "reviews", 24) == Answers{{"a", 24}});
  uint64_t allowed = 0;
  web.run([&](forward::Forwarder& f) {
    const auto& cluster = *f.snapshot()->clusters.at("outbound|80||reviews");
    allowed = cluster.retry_budget.allowed(cluster.usage(false), f.now());
  });
  CHECK(allowed == 12);
}

TEST_CASE("mesh: requests of a match with a statPrefix are counted apart", "[forwarder]") {
  const uint32_t count = workers();
  Origin origin("a"), broken("b");
  broken.always(503);
  Mesh mesh(
      kWeb + service("reviews") + reviews(origin) + service("broken") +
      instance("broken", "broken-1", broken.port()) +
      object("VirtualService", "reviews",
             "{hosts: [reviews], http: [{match: [{uri: {prefix: /bad}, statPrefix: bad}], "
             "retries: {attempts: 1, retryOn: 5xx, backoff: 1ms}, route: [{destination: "
             "{host: broken}}]}, {match: [{uri: {prefix: /a}, statPrefix: good}], route: "
             "[{destination: {host: reviews}}]}, {route: [{destination: {host: reviews}}]}]}"));
  Proxy& web = mesh.start("web-1", count);
  CHECK(answers(web.port("outbound"), "reviews", 5, "/a") == Answers{{"a", 5}});
  CHECK(answers(web.port("outbound"), "reviews", 3, "/other") == Answers{{"a", 3}});
  CHECK(answers(web.port("outbound"), "reviews", 2, "/bad") == Answers{{"503", 2}});
  const std::string head = "envoy_vhost_route_upstream_rq";
  std::map<std::string, uint64_t> seen;
  REQUIRE(support::wait_for([&] {
    seen = numbers(web);
    return seen[head + "_completed good reviews_80"] == 5 &&
           seen[head + "_completed bad reviews_80"] == 2;
  }));
  CHECK(seen[head + "_total good reviews_80"] == 5);
  CHECK(seen[head + "_xx 2 good reviews_80"] == 5);
  CHECK(seen[head + " 200 good reviews_80"] == 5);
  CHECK(seen[head + "_retry good reviews_80"] == 0);
  CHECK(seen[head + "_total bad reviews_80"] == 4);
  CHECK(seen[head + "_retry bad reviews_80"] == 2);
  CHECK(seen[head + "_retry_limit_exceeded bad reviews_80"] == 2);
  CHECK(seen[head + " 503 bad reviews_80"] == 2);
}
