// How clusters are balanced, as Envoy's fields say it.

#include <algorithm>
#include <catch2/catch.hpp>

#include "config/reader.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "xds/decode.h"

using namespace mesh;
using namespace mesh::xds;
using namespace std::chrono_literals;
using balance::Algorithm;
using balance::LocalityMode;

namespace {

using envoy_cluster = envoy::config::cluster::v3::Cluster;
using envoy_endpoints = envoy::config::endpoint::v3::ClusterLoadAssignment;

// A resource written in YAML, as its bytes on the wire.
template <class Message>
std::string wire(const std::string& yaml) {
  Message message;
  const auto read = config::read_text(yaml, "test", message);
  if (!read) FAIL(read.error().text);
  return message.SerializeAsString();
}

balance::Config balancing(const std::string& fields) {
  auto cluster = decode_cluster(
      wire<envoy_cluster>("{name: c, loadAssignment: {clusterName: c}, " + fields + "}"));
  INFO((cluster ? std::string() : cluster.error().text));
  REQUIRE(cluster);
  return (*cluster)->balancing;
}

std::string refused(const std::string& fields) {
  auto cluster = decode_cluster(
      wire<envoy_cluster>("{name: c, loadAssignment: {clusterName: c}, " + fields + "}"));
  return cluster ? "taken" : cluster.error().text;
}

std::string policy(const std::string& type, const std::string& fields = "") {
  return "loadBalancingPolicy: {policies: [{typedExtensionConfig: {name: p, typedConfig: "
         "{\"@type\": type.googleapis.com/" +
         type + fields + "}}}]}";
}

std::string extension(const std::string& module, const std::string& type,
                      const std::string& fields = "") {
  return policy("envoy.extensions.load_balancing_policies." + module + ".v3." + type, fields);
}

}  // namespace

TEST_CASE("a cluster's lb_policy and its settings") {
  CHECK(balancing("lbPolicy: ROUND_ROBIN").options.algorithm == Algorithm::RoundRobin);
  CHECK(balancing("lbPolicy: RANDOM").options.algorithm == Algorithm::Random);
  const auto least = balancing(
      "lbPolicy: LEAST_REQUEST, leastRequestLbConfig: {choiceCount: 5, activeRequestBias: "
      "{defaultValue: 0.5}, slowStartConfig: {slowStartWindow: 60s, aggression: {defaultValue: 2}, "
      "minWeightPercent: {value: 20}}}");
  CHECK(least.options.least_request ==
        balance::LeastRequestOptions{.choices = 5, .active_request_bias = 0.5});
  CHECK(least.options.slow_start ==
        balance::SlowStartOptions{.window = 60s, .aggression = 2, .min_weight_percent = 20});
  const auto ring = balancing(
      "lbPolicy: RING_HASH, ringHashLbConfig: {minimumRingSize: 2048, maximumRingSize: 4096}, "
      "commonLbConfig: {consistentHashingLbConfig: {hashBalanceFactor: 150, useHostnameForHashing: "
      "true}}");
  CHECK(ring.options.algorithm == Algorithm::RingHash);
  CHECK(ring.options.hash == balance::HashOptions{.minimum_ring_size = 2048,
                                                  .maximum_ring_size = 4096,
                                                  .hash_balance_factor = 150,
                                                  .by_hostname = true});
  const auto maglev = balancing("lbPolicy: MAGLEV, maglevLbConfig: {tableSize: 251}");
  CHECK(maglev.options.algorithm == Algorithm::Maglev);
  CHECK(maglev.options.hash.table_size == 251);
}

TEST_CASE("a cluster's load_balancing_policy") {
  const auto all =
      balancing(extension("least_request", "LeastRequest", ", selectionMethod: FULL_SCAN"));
  CHECK(all.options.algorithm == Algorithm::LeastRequest);
  CHECK(all.options.least_request.full_scan);
  const auto zone =
      balancing(extension("round_robin", "RoundRobin",
                          ", localityLbConfig: {zoneAwareLbConfig: {routingEnabled: {value: 80}, "
                          "minClusterSize: 3, failTrafficOnPanic: true}}"));
  CHECK(zone.options.algorithm == Algorithm::RoundRobin);
  CHECK(zone.options.locality == LocalityMode::ZoneAware);
  CHECK(zone.options.zone == balance::ZoneOptions{.routing_enabled_percent = 80,
                                                  .min_cluster_size = 3,
                                                  .fail_traffic_on_panic = true});
  CHECK(
      balancing(extension("random", "Random", ", localityLbConfig: {localityWeightedLbConfig: {}}"))
          .options.locality == LocalityMode::Weighted);
  CHECK(balancing(extension("ring_hash", "RingHash",
                            ", consistentHashingLbConfig: "
                            "{hashBalanceFactor: 120}"))
            .options.hash.hash_balance_factor == 120);
  CHECK(balancing(extension("maglev", "Maglev", ", tableSize: 13")).options.hash.table_size == 13);
  CHECK(balancing(policy("mesh.xds.v1.ModuloHash")).options.algorithm == Algorithm::ModuloHash);
}

TEST_CASE("what a cluster's balancing may not be") {
  CHECK(refused("lbPolicy: MAGLEV, maglevLbConfig: {tableSize: 65536}") ==
        "maglev_lb_config.table_size: is a prime of at most 5000011");
  CHECK(refused("lbPolicy: RING_HASH, ringHashLbConfig: {hashFunction: MURMUR_HASH_2}") ==
        "ring_hash_lb_config.hash_function: only XX_HASH is supported");
  CHECK(
      refused("lbPolicy: RING_HASH, ringHashLbConfig: {minimumRingSize: 9, maximumRingSize: 8}") ==
      "ring_hash_lb_config.minimum_ring_size: is 1 to maximum_ring_size");
  CHECK(refused("commonLbConfig: {consistentHashingLbConfig: {hashBalanceFactor: 99}}") ==
        "common_lb_config.consistent_hashing_lb_config.hash_balance_factor: is at least 100");
  CHECK(refused("commonLbConfig: {healthyPanicThreshold: {value: 101}}") ==
        "common_lb_config.healthy_panic_threshold: is 0 to 100");
  CHECK(refused("lbPolicy: ROUND_ROBIN, roundRobinLbConfig: {slowStartConfig: {slowStartWindow: "
                "1s, aggression: {defaultValue: 0}}}") ==
        "round_robin_lb_config.slow_start_config.aggression: is over 0, at most 1000");
  CHECK(refused("lbSubsetConfig: {subsetSelectors: [{keys: [a], singleHostPerSubset: true}]}") ==
        "lb_subset_config.subset_selectors[0].single_host_per_subset: is not supported");
  CHECK(refused("lbSubsetConfig: {subsetSelectors: [{keys: [a, a]}]}") ==
        "lb_subset_config.subset_selectors[0].keys: at least one key, each once");
}

TEST_CASE("a cluster's subsets and the health of sessions' hosts") {
  const auto value = balancing(
      "lbSubsetConfig: {fallbackPolicy: DEFAULT_SUBSET, defaultSubset: {stage: prod}, "
      "subsetSelectors: [{keys: [version, stage]}, {keys: [version], fallbackPolicy: "
      "NO_FALLBACK}]}, "
      "commonLbConfig: {overrideHostStatus: {statuses: [HEALTHY, DRAINING]}}");
  using Fallback = balance::SubsetOptions::Fallback;
  REQUIRE(value.subsets);
  CHECK(value.subsets->fallback == Fallback::DefaultSubset);
  CHECK(value.subsets->default_subset == balance::Metadata{{"stage", "prod"}});
  REQUIRE(value.subsets->selectors.size() == 2);
  CHECK(value.subsets->selectors[0].keys == std::vector<std::string>{"stage", "version"});
  CHECK(value.subsets->selectors[1].fallback == Fallback::NoFallback);
  CHECK(value.override_health ==
        (1U << int(balance::Health::Healthy) | 1U << int(balance::Health::Draining)));
}

TEST_CASE("an assignment's policy, and priorities and weights of localities") {
  const auto endpoints = decode_endpoints(wire<envoy_endpoints>(R"(
clusterName: c
policy:
  overprovisioningFactor: 200
  weightedPriorityHealth: true
  dropOverloads: [{category: busy, dropPercentage: {numerator: 5, denominator: HUNDRED}}]
endpoints:
- locality: {region: eu}
  loadBalancingWeight: 7
  lbEndpoints:
  - endpoint: {address: {socketAddress: {address: 10.0.0.1, portValue: 1}}}
    metadata: {filterMetadata: {envoy.lb: {version: v1, hash_key: first}}}
- priority: 1
  lbEndpoints:
  - endpoint: {address: {socketAddress: {address: 10.0.0.2, portValue: 1}}}
)"));
  REQUIRE(endpoints);
  const ClusterLoadAssignment& value = **endpoints;
  CHECK(value.overprovisioning_percent == 200);
  CHECK(value.weighted_priority_health);
  CHECK(value.drop_overloads == std::vector<DropOverload>{{"busy", 50000}});
  CHECK(value.groups ==
        std::vector<LocalityGroup>{{.locality = "eu", .weight = 7}, {.priority = 1}});
  CHECK(value.endpoints[0].hash_key == "first");
  CHECK(value.endpoints[0].lb_metadata ==
        balance::Metadata{{"hash_key", "first"}, {"version", "v1"}});
  CHECK(value.endpoints[1].group == 1);
}
