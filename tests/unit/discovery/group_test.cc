// Instances of WorkloadGroups: what the template says, and the probe as a health check.
#include "discovery/group.h"

#include <catch2/catch.hpp>

#include "discovery/compile/compile.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "tests/unit/discovery/sample.h"

namespace {

using namespace mesh;
using namespace mesh::discovery;

std::string group(const std::string& probe) {
  return R"(
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: shop, namespace: demo}
spec: {hosts: [shop], location: MESH_INTERNAL, resolution: STATIC,
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 81, name: more, protocol: HTTP}],
  workloadSelector: {labels: {app: shop}}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: {name: shop, namespace: demo}
spec:
  metadata: {labels: {app: shop, tier: front, zone: low}}
  template: {ports: {http: 8080, more: 8081}, labels: {tier: back, zone: mid}, weight: 5,
    serviceAccount: shop, locality: eu/1}
)" + (probe.empty() ? "" : "  probe: " + probe + "\n");
}

Workload own() {
  Workload workload;
  workload.ns = "demo";
  workload.name = "shop-192.0.2.5";
  workload.address = "192.0.2.5";
  workload.labels = {{"zone", "own"}};
  workload.source = Workload::Source::Forwarder;
  return workload;
}

TEST_CASE("group: the instance's own word stands above the template, and that above metadata") {
  const auto objects = sample::objects(group(""));
  CHECK(find_group(*objects, "other", "shop") == nullptr);
  const auto* const found = find_group(*objects, "demo", "shop");
  REQUIRE(found != nullptr);
  const Workload made = instance_of_group(*found, own());
  CHECK(made.labels == Labels{{"app", "shop"}, {"tier", "back"}, {"zone", "own"}});
  CHECK(made.ports == std::map<std::string, uint32_t>{{"http", 8080}, {"more", 8081}});
  CHECK(made.service_account == "shop");
  CHECK(made.locality == "eu/1");
  CHECK(made.weight == 5);
  CHECK(made.group == "shop");
  Workload other = own();
  other.service_account = "its-own";
  other.locality = "us/1";
  other.ports = {{"http", 9090}};
  const Workload kept = instance_of_group(*found, other);
  CHECK(kept.service_account == "its-own");
  CHECK(kept.locality == "us/1");
  CHECK(kept.ports.at("http") == 9090);
  CHECK(kept.ports.at("more") == 8081);
}

std::map<std::string, envoy::config::cluster::v3::Cluster> inbound(const std::string& probe) {
  const auto objects = sample::objects(group(probe));
  const auto model =
      Model::build({}, objects, {instance_of_group(*find_group(*objects, "demo", "shop"), own())},
                   [](const Model::Key&) { return Workload::State::Present; });
  Node node;
  node.ns = "demo";
  node.workload = own().name;
  std::map<std::string, envoy::config::cluster::v3::Cluster> clusters;
  for (const auto& resource : compile_inbound_clusters(*model, node))
    REQUIRE(clusters[resource.name].ParseFromString(*resource.body));
  return clusters;
}

TEST_CASE("group: the probe is the active health check of the inbound cluster that it asks") {
  auto clusters = inbound(
      "{httpGet: {path: /ready, port: 8081, httpHeaders: [{name: host, value: "
      "a.b}, {name: x-a, value: b}]}}");
  REQUIRE(clusters.size() == 2);
  CHECK(clusters.at("inbound|8080||").health_checks().empty());
  REQUIRE(clusters.at("inbound|8081||").health_checks_size() == 1);
  const auto& check = clusters.at("inbound|8081||").health_checks(0);
  CHECK(check.alt_port().value() == 8081);
  CHECK(check.interval().seconds() == 10);
  CHECK(check.no_traffic_interval().seconds() == 10);
  CHECK(check.timeout().seconds() == 1);
  CHECK(check.healthy_threshold().value() == 1);
  CHECK(check.unhealthy_threshold().value() == 3);
  CHECK(check.http_health_check().path() == "/ready");
  CHECK(check.http_health_check().host() == "a.b");
  REQUIRE(check.http_health_check().request_headers_to_add_size() == 1);
  CHECK(check.http_health_check().request_headers_to_add(0).header().key() == "x-a");
  CHECK(check.http_health_check().expected_statuses(0).start() == 200);
  CHECK(check.http_health_check().expected_statuses(0).end() == 400);

  // A port that is not served is asked by the first.
  clusters = inbound(
      "{periodSeconds: 2, timeoutSeconds: 3, successThreshold: 4, "
      "failureThreshold: 5, tcpSocket: {port: 9000}}");
  REQUIRE(clusters.at("inbound|8080||").health_checks_size() == 1);
  const auto& tcp = clusters.at("inbound|8080||").health_checks(0);
  CHECK(tcp.alt_port().value() == 9000);
  CHECK(tcp.has_tcp_health_check());
  CHECK(tcp.interval().seconds() == 2);
  CHECK(tcp.timeout().seconds() == 3);
  CHECK(tcp.healthy_threshold().value() == 4);
  CHECK(tcp.unhealthy_threshold().value() == 5);

  clusters = inbound("{grpc: {port: 8080, service: shop.v1}}");
  REQUIRE(clusters.at("inbound|8080||").health_checks_size() == 1);
  CHECK(clusters.at("inbound|8080||").health_checks(0).grpc_health_check().service_name() ==
        "shop.v1");
  CHECK(inbound("").at("inbound|8080||").health_checks().empty());
}

}  // namespace
