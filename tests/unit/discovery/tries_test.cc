// Tries, deadlines and who called: from a user's objects to what the data plane does.
#include <catch2/catch.hpp>

#include "discovery/compile/compile.h"
#include "route/request_policy.h"
#include "unit/discovery/sample.h"
#include "xds/decode.h"

using namespace mesh;
using namespace mesh::discovery;
using namespace std::chrono_literals;

namespace {

std::shared_ptr<const route::Table> routes(const std::string& more) {
  const auto model = sample::model(std::string(sample::kAll) + "\n---\n" + more);
  const auto made = compile_routes(*model, sample::node("web-1"));
  REQUIRE(made.size() == 1);
  auto decoded = xds::decode_route_configuration(*made[0].body);
  if (!decoded) FAIL(decoded.error().text);
  return *decoded;
}

constexpr const char* kHedging = R"(apiVersion: mesh/v1
kind: ServicePolicy
metadata: {name: reviews, namespace: demo}
spec: {host: reviews, hedging: {onPerTryTimeout: true}}
)";

}  // namespace

TEST_CASE("hedging is the virtual host's, and a gRPC caller's deadline the route's") {
  const auto table = routes(kHedging);
  const auto& reviews = table->find_host("reviews")->routes;
  REQUIRE(reviews.size() == 2);
  for (const auto& route : reviews) {
    REQUIRE(route.policy);
    CHECK(route.policy->hedge_on_per_try_timeout);
    CHECK(route.policy->attempt_count_in_request);
    CHECK(route.policy->max_grpc_timeout == route.timeout);
  }
  const auto& ratings = table->find_host("ratings")->routes;
  REQUIRE(ratings.size() == 1);
  CHECK_FALSE(ratings[0].policy->hedge_on_per_try_timeout);
  CHECK(ratings[0].policy->max_grpc_timeout == 0s);
}

TEST_CASE("inbound listeners tell the application who called, outbound ones do not") {
  const auto model = sample::model(sample::kAll);
  size_t inbound = 0;
  for (const auto& resource : compile_listeners(*model, sample::node("reviews-v1"))) {
    const auto listener = xds::decode_listener(*resource.body);
    REQUIRE(listener);
    const bool in = (*listener)->direction == xds::TrafficDirection::Inbound;
    for (const auto& chain : (*listener)->filter_chains) {
      if (chain.http_filters.empty() && chain.route_config_name.empty() && !chain.route_config)
        continue;  // TCP
      using Mode = xds::Edge::ClientCert;
      CHECK(chain.edge.client_cert == (in ? Mode::AppendForward : Mode::Sanitize));
      CHECK(chain.edge.cert_uri == in);
      inbound += in ? 1 : 0;
    }
  }
  CHECK(inbound > 0);
}

TEST_CASE("the age of connections is the cluster's") {
  const auto model = sample::model(std::string(sample::kServices) + "\n---\n" +
                                   std::string(sample::kWorkloads) + R"(
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ratings, namespace: demo}
spec:
  host: ratings
  trafficPolicy: {connectionPool: {tcp: {maxConnectionDuration: 90s}}}
)");
  for (const auto& resource : compile_clusters(*model, sample::node("web-1"))) {
    if (!resource.name.starts_with("outbound|80||ratings")) continue;
    const auto decoded = xds::decode_cluster(*resource.body);
    REQUIRE(decoded);
    CHECK((*decoded)->max_connection_duration == 90s);
    return;
  }
  FAIL("no cluster of ratings");
}
