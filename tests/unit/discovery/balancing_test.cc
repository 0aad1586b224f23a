// From a DestinationRule's loadBalancer and a ServicePolicy to what the forwarder runs.

#include <algorithm>
#include <catch2/catch.hpp>

#include "unit/discovery/sample.h"
#include "xds/decode.h"

using namespace mesh;
using namespace mesh::discovery;
using namespace std::chrono_literals;
using balance::Algorithm;

namespace {

// The sample's services and four instances of reviews in three regions.
std::string with(const std::string& rule, const std::string& more = "") {
  std::string yaml = sample::kServices + R"(
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: web-1, namespace: demo}
spec: {address: 127.0.0.1, labels: {app: web}, locality: eu/a/r1, serviceAccount: web}
)";
  for (const char* place : {"eu/a/r1", "eu/a/r2", "eu/b/r1", "us/a/r1", "asia/a/r1"}) {
    std::string name(place);
    std::replace(name.begin(), name.end(), '/', '-');
    yaml +=
        "\n---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: " + name +
        ", namespace: demo}\nspec: {address: 10.0.0.1, labels: {app: reviews, disk: " +
        (name.starts_with("us") ? "ssd" : "tape") + "}, locality: " + place +
        ", serviceAccount: reviews}\n";
  }
  yaml +=
      "\n---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: r, "
      "namespace: demo}\nspec: {host: reviews, trafficPolicy: {" +
      rule + "}}\n";
  return yaml + more;
}

std::string policy(const std::string& spec) {
  return "\n---\napiVersion: mesh/v1\nkind: ServicePolicy\nmetadata: {name: p, namespace: "
         "demo}\nspec: {host: reviews, " +
         spec + "}\n";
}

template <class T>
T value(Result<T> result) {
  if (!result) FAIL(result.error().text);
  return *std::move(result);
}

const Resource& find(const std::vector<Resource>& all, const std::string& name) {
  for (const auto& r : all)
    if (r.name == name) return r;
  FAIL("no resource " << name);
  return all.front();
}

constexpr const char* kReviews = "outbound|80||reviews";

balance::Config balancing(const std::string& rule, const std::string& more = "") {
  const auto model = sample::model(with(rule, more));
  return value(xds::decode_cluster(
                   *find(compile_clusters(*model, sample::node("web-1")), kReviews).body))
      ->balancing;
}

// "LOCALITY:PRIORITY:WEIGHT" of each group.
std::vector<std::string> groups(const std::string& rule) {
  const auto model = sample::model(with(rule));
  const auto made =
      compile_endpoints(*model, *model->find_service("reviews", "demo"), sample::node("web-1"));
  const auto assignment = value(xds::decode_endpoints(*find(made, kReviews).body));
  std::vector<std::string> result;
  for (const auto& g : assignment->groups)
    result.push_back(g.locality + ":" + std::to_string(g.priority) + ":" +
                     std::to_string(g.weight));
  std::sort(result.begin(), result.end());
  return result;
}

const route::Route& route_of(const std::shared_ptr<const route::Table>& table) {
  const auto* route = table->find({.authority = "reviews", .method = "GET", .path = "/"});
  REQUIRE(route != nullptr);
  return *route;
}

std::shared_ptr<const route::Table> routes(const std::string& rule, const std::string& more = "") {
  const auto made = compile_routes(*sample::model(with(rule, more)), sample::node("web-1"));
  return value(xds::decode_route_configuration(*made[0].body));
}

using Groups = std::vector<std::string>;

}  // namespace

TEST_CASE("a rule's simple algorithms and warmup") {
  CHECK(balancing("loadBalancer: {simple: LEAST_CONN}").options.algorithm ==
        Algorithm::LeastRequest);
  const auto warm = balancing(
      "loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 30s, minimumPercent: 5, aggression: "
      "2}}");
  CHECK(warm.options.slow_start ==
        balance::SlowStartOptions{.window = 30s, .aggression = 2, .min_weight_percent = 5});
  CHECK(balancing("loadBalancer: {warmupDurationSecs: 9s}").options.slow_start.window == 9s);
}

TEST_CASE("a rule's consistent hash: the cluster's algorithm and the routes' policy") {
  const std::string header = "loadBalancer: {consistentHash: {httpHeaderName: X-User}}";
  CHECK(balancing(header).options.algorithm == Algorithm::RingHash);
  CHECK(balancing(header).options.hash.minimum_ring_size == 1024);
  const auto table = routes(header);
  REQUIRE(route_of(table).hash_policies.size() == 1);
  CHECK(route_of(table).hash_policies[0].name == "x-user");
  const auto maglev =
      balancing("loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: 251}}}",
                policy("loadBalancer: {hashBalanceFactor: 130}"));
  CHECK(maglev.options.algorithm == Algorithm::Maglev);
  CHECK(maglev.options.hash.table_size == 251);
  CHECK(maglev.options.hash.hash_balance_factor == 130);
  const auto cookie = routes(
      "loadBalancer: {consistentHash: {httpCookie: {name: who, path: /a, ttl: 60s, "
      "attributes: [{name: SameSite, value: Lax}, {name: Secure}]}}}");
  const auto& made = route_of(cookie).hash_policies.at(0);
  CHECK(made.kind == route::HashPolicy::Kind::Cookie);
  CHECK(made.ttl == Duration(60s));
  CHECK(made.path == "/a");
  CHECK(made.attributes == decltype(made.attributes){{"SameSite", "Lax"}, {"Secure", ""}});
  const auto query = routes("loadBalancer: {consistentHash: {httpQueryParameterName: id}}");
  CHECK(route_of(query).hash_policies.at(0).kind == route::HashPolicy::Kind::QueryParameter);
}

TEST_CASE("a ServicePolicy's balancing goes before the rule's") {
  CHECK(balancing("loadBalancer: {consistentHash: {httpHeaderName: a}}",
                  policy("loadBalancer: {algorithm: MODULO_HASH}"))
            .options.algorithm == Algorithm::ModuloHash);
  CHECK(balancing("loadBalancer: {simple: LEAST_REQUEST}",
                  policy("loadBalancer: {algorithm: LEAST_REQUEST_OF_ALL}"))
            .options.least_request.full_scan);
  const auto zone = balancing("loadBalancer: {simple: RANDOM}",
                              policy("loadBalancer: {zoneAware: {minClusterSize: 2}}"));
  CHECK(zone.options.locality == balance::LocalityMode::ZoneAware);
  CHECK(zone.options.zone.min_cluster_size == 2);
}

TEST_CASE("a rule's zones: on unless they are off, and a ServicePolicy's go before them") {
  const auto on = balancing("loadBalancer: {zoneAwareLbSetting: {minClusterSize: 3}}");
  CHECK(on.options.locality == balance::LocalityMode::ZoneAware);
  CHECK(on.options.zone.min_cluster_size == 3);
  CHECK(on.options.zone.routing_enabled_percent == 100);
  const auto off = balancing("loadBalancer: {zoneAwareLbSetting: {enabled: false}}");
  CHECK(off.options.zone.routing_enabled_percent == 0);
  const auto own = balancing("loadBalancer: {zoneAwareLbSetting: {minClusterSize: 3}}",
                             policy("loadBalancer: {zoneAware: {minClusterSize: 9}}"));
  CHECK(own.options.zone.min_cluster_size == 9);
}

TEST_CASE("a rule's zones: regions come one after the other") {
  const auto with = [](const std::string& setting) {
    return groups("loadBalancer: {zoneAwareLbSetting: {" + setting + "}}");
  };
  CHECK(with("") ==
        Groups{"asia/a/r1:1:0", "eu/a/r1:0:0", "eu/a/r2:0:0", "eu/b/r1:0:0", "us/a/r1:1:0"});
  CHECK(with("failover: [{from: eu, to: us}]") ==
        Groups{"asia/a/r1:2:0", "eu/a/r1:0:0", "eu/a/r2:0:0", "eu/b/r1:0:0", "us/a/r1:1:0"});
  CHECK(with("failoverPriority: [disk=ssd], failover: [{from: eu, to: asia}]") ==
        Groups{"asia/a/r1:2:0", "eu/a/r1:1:0", "eu/a/r2:1:0", "eu/b/r1:1:0", "us/a/r1:0:0"});
  CHECK(with("enabled: false") ==
        Groups{"asia/a/r1:0:0", "eu/a/r1:0:0", "eu/a/r2:0:0", "eu/b/r1:0:0", "us/a/r1:0:0"});
}

TEST_CASE("a ServicePolicy's sticky session is its routes' filter") {
  const auto table = routes("loadBalancer: {simple: RANDOM}",
                            policy("stickySession: {cookie: {name: sid, ttl: 60s}, strict: true}"));
  REQUIRE(route_of(table).filters);
  CHECK(route_of(table).filters->at(0).name == "envoy.filters.http.stateful_session");
}

TEST_CASE("localities fail over by distance where outlier detection is on") {
  const std::string outlier = "outlierDetection: {consecutive5xxErrors: 3}";
  CHECK(groups("loadBalancer: {simple: RANDOM}") ==
        Groups{"asia/a/r1:0:0", "eu/a/r1:0:0", "eu/a/r2:0:0", "eu/b/r1:0:0", "us/a/r1:0:0"});
  CHECK(groups(outlier) ==
        Groups{"asia/a/r1:3:0", "eu/a/r1:0:0", "eu/a/r2:1:0", "eu/b/r1:2:0", "us/a/r1:3:0"});
  CHECK(groups(outlier + ", loadBalancer: {localityLbSetting: {enabled: false}}") ==
        Groups{"asia/a/r1:0:0", "eu/a/r1:0:0", "eu/a/r2:0:0", "eu/b/r1:0:0", "us/a/r1:0:0"});
  CHECK(groups(outlier + ", loadBalancer: {localityLbSetting: {failover: [{from: eu, to: us}]}}") ==
        Groups{"asia/a/r1:4:0", "eu/a/r1:0:0", "eu/a/r2:1:0", "eu/b/r1:2:0", "us/a/r1:3:0"});
  CHECK(groups(outlier + ", loadBalancer: {localityLbSetting: {failoverPriority: [disk=ssd]}}") ==
        Groups{"asia/a/r1:1:0", "eu/a/r1:1:0", "eu/a/r2:1:0", "eu/b/r1:1:0", "us/a/r1:0:0"});
  CHECK(groups(outlier + ", loadBalancer: {localityLbSetting: {failoverPriority: "
                         "[topology.kubernetes.io/region, topology.kubernetes.io/zone]}}") ==
        Groups{"asia/a/r1:2:0", "eu/a/r1:0:0", "eu/a/r2:0:0", "eu/b/r1:1:0", "us/a/r1:2:0"});
}

TEST_CASE("localities are distributed by weight") {
  const std::string rule =
      "loadBalancer: {localityLbSetting: {distribute: [{from: us/*, to: {us/*: 100}}, {from: "
      "eu/a/*, to: {eu/a/*: 80, us/a/r1: 20}}]}}";
  CHECK(groups(rule) == Groups{"eu/a/r1:0:40", "eu/a/r2:0:40", "us/a/r1:0:20"});
  CHECK(balancing(rule).options.locality == balance::LocalityMode::Weighted);
  CHECK(balancing("loadBalancer: {simple: RANDOM}").options.locality ==
        balance::LocalityMode::None);
}
