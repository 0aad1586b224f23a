// Which instance answers, from YAML: zones, localities and their failover, retries that
// leave a locality, warm-up. mesh-routing(7), "LOAD BALANCING".
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

std::string at(const std::string& app, const std::string& name, const Origin& origin,
               const std::string& locality) {
  return instance(app, name, origin.port(), "", ", locality: " + locality);
}

// The callers: one in each zone.
std::string callers() {
  return service("web") + instance("web", "web-1", 9, "", ", locality: r/z1") +
         instance("web", "web-2", 10, "", ", locality: r/z2");
}

std::string rule(const std::string& policy) {
  return object("DestinationRule", "reviews", "{host: reviews, trafficPolicy: {" + policy + "}}");
}

}  // namespace

TEST_CASE("mesh: zone aware callers stay in their zone as far as it has its share", "[forwarder]") {
  const uint32_t count = workers();
  Origin a("a"), b("b"), c("c");
  const std::string base = callers() + service("reviews") + at("reviews", "reviews-a", a, "r/z1") +
                           at("reviews", "reviews-b", b, "r/z2");
  const std::string policy = object("ServicePolicy", "reviews",
                                    "{host: reviews, loadBalancer: {zoneAware: {minClusterSize: "
                                    "1}}}") +
                             rule("loadBalancer: {simple: ROUND_ROBIN}");
  Mesh mesh(base);
  Proxy& near = mesh.start("web-1", count);
  Proxy& far = mesh.start("web-2", count);
  CHECK(answers(near.port("outbound"), "reviews", 40).size() == 2);
  mesh.apply(base + policy);
  CHECK(answers(near.port("outbound"), "reviews", 40) == Answers{{"a", 40}});
  CHECK(answers(far.port("outbound"), "reviews", 40) == Answers{{"b", 40}});
  // z1 has a third of the instances and half of the callers: what it cannot take crosses.
  mesh.apply(base + policy + at("reviews", "reviews-c", c, "r/z2"));
  auto seen = answers(near.port("outbound"), "reviews", 300);
  CHECK(seen["a"] > 160);
  CHECK(seen["a"] < 240);
  auto others = answers(far.port("outbound"), "reviews", 40);
  CHECK_FALSE(others.contains("a"));
}

TEST_CASE("mesh: the near locality serves until it fails, then the next one", "[forwarder]") {
  const uint32_t count = workers();
  Origin near("near"), far("far");
  Mesh mesh(callers() + service("reviews") + at("reviews", "reviews-a", near, "r/z1") +
            at("reviews", "reviews-b", far, "r/z2") +
            rule("outlierDetection: {consecutive5xxErrors: 2, interval: 1s, baseEjectionTime: "
                 "60s, maxEjectionPercent: 100}"));
  Proxy& web = mesh.start("web-1", count);
  CHECK(answers(web.port("outbound"), "reviews", 20) == Answers{{"near", 20}});
  near.always(503);
  REQUIRE(support::wait_for(
      [&] { return answers(web.port("outbound"), "reviews", 1).contains("far"); }));
  CHECK(answers(web.port("outbound"), "reviews", 20) == Answers{{"far", 20}});
}

TEST_CASE("mesh: a retry leaves the localities that were tried, where it is told to",
          "[forwarder]") {
  const uint32_t count = workers();
  Origin bad("bad"), worse("worse"), far("far");
  bad.always(503);
  worse.always(503);
  const auto yaml = [&](const std::string& remote) {
    return callers() + service("reviews") + at("reviews", "reviews-a", bad, "r/z1") +
           at("reviews", "reviews-b", worse, "r/z1") + at("reviews", "reviews-c", far, "r/z2") +
           // So slow to eject that all stay: it is the retry that leaves.
           rule("outlierDetection: {consecutive5xxErrors: 1000, interval: 60s}") +
           object("VirtualService", "reviews",
                  "{hosts: [reviews], http: [{retries: {attempts: 2, retryOn: 5xx, backoff: 1ms" +
                      remote + "}, route: [{destination: {host: reviews}}]}]}");
  };
  Mesh mesh(yaml(""));
  Proxy& web = mesh.start("web-1", count);
  CHECK(answers(web.port("outbound"), "reviews", 10) == Answers{{"503", 10}});
  CHECK(far.requests() == 0);
  mesh.apply(yaml(", retryRemoteLocalities: true"));
  CHECK(answers(web.port("outbound"), "reviews", 10) == Answers{{"far", 10}});
}

TEST_CASE("mesh: a new instance warms up, and is then one like the others", "[forwarder]") {
  const uint32_t count = workers();
  constexpr auto kWindow = std::chrono::milliseconds(1500);
  Origin old("old"), fresh("fresh");
  const auto yaml = [&](const std::string& more) {
    return callers() + service("reviews") + at("reviews", "reviews-a", old, "r/z1") + more +
           rule(
               "loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 1.5s, minimumPercent: 10, "
               "aggression: 1}}");
  };
  const auto begin = std::chrono::steady_clock::now();
  Mesh mesh(yaml(""));
  Proxy& web = mesh.start("web-1", count);
  CHECK(answers(web.port("outbound"), "reviews", 4) == Answers{{"old", 4}});
  support::wait_for([&] { return std::chrono::steady_clock::now() - begin > kWindow * 1.2; });
  const auto came = std::chrono::steady_clock::now();
  const std::string both = yaml(at("reviews", "reviews-b", fresh, "r/z1"));
  mesh.apply(both);
  // A change of another kind does not have it begin anew, nor the old one with it.
  mesh.apply(both + object("VirtualService", "reviews",
                           "{hosts: [reviews], http: [{timeout: 9s, route: [{destination: {host: "
                           "reviews}}]}]}"));
  auto seen = answers(web.port("outbound"), "reviews", 60);
  // With half of its weight it would get 20 of 60; a machine that is slow tells nothing.
  if (std::chrono::steady_clock::now() - came < kWindow / 2) CHECK(seen["fresh"] < 24);
  CHECK(support::wait_for(
      [&] { return answers(web.port("outbound"), "reviews", 40)["fresh"] >= 18; }));
}
