// Our own kinds, as the data plane gets them.
#include <catch2/catch.hpp>

#include "resilience/adaptive_rule.h"
#include "resilience/breaker_rule.h"
#include "route/rate_limit.h"
#include "unit/discovery/sample.h"
#include "xds/decode.h"

namespace {

using namespace mesh;
using namespace mesh::discovery;
using namespace std::chrono_literals;

template <class T>
T value(Result<T> result) {
  if (!result) FAIL(result.error().text);
  return *std::move(result);
}

std::shared_ptr<const route::Table> routes(const std::string& yaml) {
  const auto made = compile_routes(*sample::model(yaml), sample::node("web-1"));
  REQUIRE(made.size() == 1);
  return value(xds::decode_route_configuration(*made[0].body));
}

std::shared_ptr<const xds::Listener> listener(const std::string& yaml, const char* node,
                                              const std::string& prefix) {
  for (const auto& r : compile_listeners(*sample::model(yaml), sample::node(node)))
    if (r.name.starts_with(prefix)) return value(xds::decode_listener(*r.body));
  FAIL("no listener " << prefix);
  return nullptr;
}

const std::string kBreakers = R"(
---
apiVersion: mesh/v1
kind: CircuitBreaker
metadata: {name: whole, namespace: demo}
spec:
  host: reviews
  thresholds: {errorPercent: 50}
  fallback: {destination: {host: ratings.demo.svc.cluster.local, port: {number: 81}}}
---
apiVersion: mesh/v1
kind: CircuitBreaker
metadata: {name: parts, namespace: demo}
spec:
  host: reviews
  thresholds: {timeoutPercent: 12.5, slowPercent: 90, slowAfter: 0.2s}
  window: 20s
  ramp: 0s
  grpcErrorStatuses: [INTERNAL]
  match:
  - {name: jason, route: jason}
  - {name: write, method: POST, uri: {prefix: /write}}
  - {name: rpc, grpcMethod: a.B/C}
)";

std::vector<std::string> names(const route::Route& route) {
  std::vector<std::string> result;
  if (const auto* rules = route::value_in<resilience::BreakerRules>(route.filters.get()))
    for (const auto& rule : *rules) result.push_back(rule.name);
  return result;
}

}  // namespace

TEST_CASE("CircuitBreaker: at the routes of its host, the narrow ones first") {
  const auto table = routes(sample::kAll + kBreakers);
  const auto& made = table->find_host("reviews")->routes;
  REQUIRE(made.size() == 2);
  CHECK(names(made[0]) == std::vector<std::string>{"demo/parts/jason", "demo/parts/write",
                                                   "demo/parts/rpc", "demo/whole"});
  CHECK(names(made[1]) ==
        std::vector<std::string>{"demo/parts/write", "demo/parts/rpc", "demo/whole"});
  CHECK(names(table->find_host("ratings")->routes[0]).empty());

  const auto& rules = *route::value_in<resilience::BreakerRules>(made[1].filters.get());
  CHECK(rules[0].method == "POST");
  CHECK(rules[0].prefix);
  CHECK(rules[0].path == "/write");
  CHECK(rules[0].policy.timeout_share.per_million == 125'000);
  CHECK(rules[0].policy.slow_after == 200ms);
  CHECK(rules[0].policy.window == 20s);
  CHECK(rules[0].policy.ramp == 0s);
  CHECK(rules[0].grpc_errors.test(13));
  CHECK_FALSE(rules[0].grpc_errors.test(14));
  CHECK(rules[1].path == "/a.B/C");
  CHECK(rules[2].fallback.cluster == "outbound|81||ratings.demo.svc.cluster.local");
  CHECK(rules[2].policy == resilience::BreakerPolicy{.error_share = {500'000}});
}

TEST_CASE("CircuitBreaker: the filter is there where something is configured for it") {
  const auto place = [](const std::string& yaml, const char* name) {
    const auto made = listener(yaml, "web-1", "outbound");
    const auto& filters = made->filter_chains[0].http_filters;
    for (size_t i = 0; i < filters.size(); ++i)
      if (filters[i].name == name) return int(i);
    return -1;
  };
  constexpr const char* kBreaker = "mesh.filters.http.circuit_breaker";
  CHECK(place(sample::kAll, kBreaker) == -1);
  REQUIRE(place(sample::kAll + kBreakers, kBreaker) >= 0);
  CHECK(place(sample::kAll + kBreakers, kBreaker) <
        place(sample::kAll + kBreakers, "envoy.filters.http.fault"));
}

TEST_CASE("RateLimit: at the inbound listeners of its host") {
  const std::string yaml = sample::kAll + R"(
---
apiVersion: mesh/v1
kind: RateLimit
metadata: {name: fair, namespace: demo}
spec:
  host: reviews
  responseHeaders: true
  limits:
  - {name: all, requests: 100, burst: 150}
  - {name: write, requests: 6, per: 60s, match: {method: POST, uri: {exact: /w}, headers: {x-a: {prefix: b}}}}
  - {name: peer, requests: 10, each: {peerIdentity: true, bucketsMax: 300}}
  - {name: user, requests: 10, each: {header: X-User}}
  - {name: from, requests: 10, each: {sourceAddress: true}}
)";
  CHECK(listener(yaml, "ratings-1", "inbound")->filter_chains[0].http_filters.empty());
  const auto inbound = listener(yaml, "reviews-v1", "inbound");
  for (const auto& chain : inbound->filter_chains) {
    REQUIRE(chain.http_filters.size() == 1);
    CHECK(chain.http_filters[0].name == "mesh.filters.http.rate_limit/demo/fair");
    const auto* limit = route::value_of<route::LocalRateLimit>(chain.http_filters[0].config.get());
    REQUIRE(limit != nullptr);
    CHECK(limit->stat_prefix == "demo/fair");
    CHECK(limit->rate_headers);
    CHECK(limit->status == 429);
    CHECK(limit->enforced.per_million == 1'000'000);
    CHECK_FALSE(limit->always_take_default);
    CHECK(limit->buckets_max == 10'000);
    REQUIRE(limit->descriptors.size() == 5);
    CHECK(limit->descriptors[0].rate == resilience::TokenRate{150, 100, 1s});
    CHECK(limit->descriptors[1].rate == resilience::TokenRate{6, 6, 60s});
    CHECK(limit->descriptors[2].entries ==
          std::vector<route::RateLimitEntry>{{"limit", "peer"}, {"peer_identity", ""}});
    CHECK(limit->actions[1].actions[0].match.fields.size() == 3);
    CHECK(limit->actions[3].actions[1].header == "x-user");
  }
}

TEST_CASE("ServicePolicy: adaptive concurrency at the inbound listeners of its host") {
  const std::string yaml = sample::kAll + R"(
---
apiVersion: mesh/v1
kind: ServicePolicy
metadata: {name: reviews, namespace: demo}
spec:
  host: reviews
  adaptiveConcurrency: {maxConcurrency: 200, updateInterval: 0.2s, minConcurrency: 5, bufferPercent: 10}
)";
  CHECK(listener(yaml, "ratings-1", "inbound")->filter_chains[0].http_filters.empty());
  const auto inbound = listener(yaml, "reviews-v1", "inbound");
  REQUIRE(inbound->filter_chains[0].http_filters.size() == 1);
  const auto* rule = route::value_of<resilience::AdaptiveRule>(
      inbound->filter_chains[0].http_filters[0].config.get());
  REQUIRE(rule != nullptr);
  CHECK(rule->policy ==
        resilience::AdaptivePolicy{
            .limit_max = 200, .update_interval = 200ms, .limit_min = 5, .buffer = 0.1});
}
