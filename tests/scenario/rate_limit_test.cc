// Limits of requests over all workers: token buckets, and the adaptive one.
#include <catch2/catch.hpp>

#include "scenario/proxy.h"
#include "support/http_peer.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using support::Message;
using support::Origin;
using support::Wire;

namespace {

std::string limit(const std::string& more) {
  return R"(
          - name: limit
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
              stat_prefix: test
              filter_enabled: { default_value: { numerator: 100 } }
              filter_enforced: { default_value: { numerator: 100 } })" +
         more;
}

// Each on a connection of its own, so that all workers have their part.
int passed(Proxy& proxy, int count, const std::string& fields = "") {
  int sum = 0;
  for (int i = 0; i < count; ++i) {
    const int status = support::get(proxy.port(), "/", "svc", fields).status;
    if (status == 200) ++sum;
    if (status != 200) CHECK(status == 429);
  }
  return sum;
}

}  // namespace

TEST_CASE("scenario: rate limit: a bucket over all workers", "[forwarder]") {
  const uint32_t count = workers();
  Origin origin("a");
  const std::string bucket = R"(
              enable_x_ratelimit_headers: DRAFT_VERSION_03
              token_bucket: { max_tokens: 10, tokens_per_fill: 1, fill_interval: 3600s })";
  const Front front{.endpoints = ports({origin.port()}), .filters = limit(bucket)};
  Proxy proxy(front.yaml(), count);
  CHECK(passed(proxy, 30) == 10);
  CHECK(origin.requests() == 10);
  const Message refused = support::get(proxy.port());
  CHECK(refused.status == 429);
  CHECK(refused.body == "local_rate_limited");
  CHECK(refused.field("x-ratelimit-limit") == "10");
  CHECK(refused.field("x-ratelimit-remaining") == "0");
  CHECK_FALSE(refused.field("retry-after").empty());
  // What was taken stays taken when the rest of the configuration changes.
  Front other = front;
  other.route = R"(
              - match: { prefix: "/" }
                route: { cluster: svc, timeout: 7s })";
  REQUIRE(proxy.apply(other.yaml()).empty());
  CHECK(passed(proxy, 5) == 0);
  other.filters = limit(R"(
              token_bucket: { max_tokens: 2, tokens_per_fill: 1, fill_interval: 3600s })");
  REQUIRE(proxy.apply(other.yaml()).empty());
  CHECK(passed(proxy, 5) == 2);
}

TEST_CASE("scenario: rate limit: by header, and by a route of its own", "[forwarder]") {
  Origin origin("a");
  SECTION("each value has a bucket") {
    Proxy proxy(Front{.endpoints = ports({origin.port()}), .filters = limit(R"(
              token_bucket: { max_tokens: 1000, fill_interval: 1s }
              always_consume_default_token_bucket: false
              descriptors:
              - entries: [ { key: user } ]
                token_bucket: { max_tokens: 3, fill_interval: 3600s }
              rate_limits:
              - actions: [ { request_headers: { header_name: x-user, descriptor_key: user } } ])")}
                    .yaml(),
                2);
    CHECK(passed(proxy, 10, "x-user: ann\r\n") == 3);
    CHECK(passed(proxy, 10, "x-user: bob\r\n") == 3);
    CHECK(passed(proxy, 10) == 10);
  }
  SECTION("the route's") {
    Proxy proxy(Front{.route = R"(
              - match: { prefix: "/" }
                route: { cluster: svc }
                typed_per_filter_config:
                  limit:
                    "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
                    stat_prefix: route
                    token_bucket: { max_tokens: 4, fill_interval: 3600s }
                    filter_enabled: { default_value: { numerator: 100 } }
                    filter_enforced: { default_value: { numerator: 100 } })",
                      .endpoints = ports({origin.port()}),
                      .filters = limit(R"(
              token_bucket: { max_tokens: 1, fill_interval: 3600s })")}
                    .yaml(),
                2);
    CHECK(passed(proxy, 10) == 4);
  }
}

TEST_CASE("scenario: adaptive concurrency: no more under way than the limit", "[forwarder]") {
  const uint32_t count = workers();
  Origin slow("slow");
  std::atomic<bool> go{false};
  slow.handle([&](const Message&, Wire& wire) {
    support::wait_for([&] { return go.load(); });
    return wire.send(support::response(200, "slow"));
  });
  Proxy proxy(Front{.endpoints = ports({slow.port()}), .filters = R"(
          - name: adaptive
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency
              gradient_controller_config:
                concurrency_limit_params: { concurrency_update_interval: 0.1s }
                min_rtt_calc_params: { interval: 60s, request_count: 50, min_concurrency: 2 })"}
                  .yaml(),
              count);
  std::vector<Wire> clients;
  for (int i = 0; i < 2; ++i) {
    clients.push_back(Wire::connect(proxy.port()));
    clients.back().send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n");
    REQUIRE(support::wait_for([&] { return slow.requests() == size_t(i) + 1; }));
  }
  const Message refused = support::get(proxy.port());
  CHECK(refused.status == 503);
  CHECK(refused.body == "reached concurrency limit");
  CHECK(slow.requests() == 2);
  // A client that goes away makes room.
  clients.pop_back();
  go = true;
  CHECK(clients[0].read().status == 200);
  CHECK(support::wait_for([&] { return support::get(proxy.port()).status == 200; }));
}
