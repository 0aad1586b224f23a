// Outbound TCP: which listeners a node gets, and whom their connections go to.
#include <catch2/catch.hpp>

#include "discovery/compile/compile.h"
#include "unit/discovery/sample.h"
#include "xds/decode.h"

namespace {

using namespace mesh;
using namespace mesh::discovery;

std::string service(const std::string& host, const std::string& port,
                    const std::string& more = "") {
  return R"(
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: )" +
         host.substr(0, host.find('.')) + R"(, namespace: demo}
spec:
  hosts: [)" +
         host + R"(]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [)" +
         port + R"(]
  endpoints: [{address: 192.0.2.7}]
)" + more;
}

std::map<std::string, std::shared_ptr<const xds::Listener>> listeners(
    const std::string& yaml, const std::string& address = "127.0.0.1",
    const std::string& version = "v1") {
  Node node = sample::node("web-1", version);
  node.outbound.clear();
  node.workload.clear();
  node.outbound_tcp = address;
  std::map<std::string, std::shared_ptr<const xds::Listener>> result;
  for (const auto& one : compile_listeners(*sample::model(yaml), node)) {
    auto decoded = xds::decode_listener(*one.body);
    if (!decoded) FAIL(decoded.error().text);
    result[one.name] = *decoded;
  }
  return result;
}

// "cluster" or "a*90 b*10" of the chain.
std::string targets(const xds::FilterChain& chain) {
  REQUIRE(chain.tcp);
  std::string out;
  for (const auto& target : chain.tcp->targets)
    out += (out.empty() ? "" : " ") + target.cluster +
           (chain.tcp->targets.size() > 1 ? "*" + std::to_string(target.weight) : "");
  return out;
}

const std::string kDb =
    service("db.example", "{number: 5432, name: pg, protocol: TCP}", "  addresses: [127.1.2.3]\n");

TEST_CASE("a service's own loopback address is listened on, others' ports at the node's") {
  const auto made =
      listeners(kDb + service("mongo.example", "{number: 27017, name: m, protocol: MONGO}",
                              "  addresses: [10.9.9.9]\n"));
  REQUIRE(made.size() == 2);
  const auto& own = *made.at("outbound|127.1.2.3|5432");
  CHECK(xds::to_string(own.address) == "127.1.2.3:5432");
  CHECK(own.direction == xds::TrafficDirection::Outbound);
  CHECK(targets(own.filter_chains[0]) == "outbound|5432||db.example");
  CHECK(targets(made.at("outbound|127.0.0.1|27017")->filter_chains[0]) ==
        "outbound|27017||mongo.example");
  // Who has not asked for it listens on nothing.
  CHECK(listeners(kDb, "").empty());
}

TEST_CASE("TLS services share a port and are told apart by their names") {
  const auto made = listeners(service("a.example", "{number: 443, name: tls, protocol: TLS}") +
                              service("b.example", "{number: 443, name: tls, protocol: HTTPS}"));
  REQUIRE(made.size() == 1);
  const auto& listener = *made.at("outbound|127.0.0.1|443");
  CHECK(listener.tls_inspector);
  CHECK_FALSE(listener.continue_on_listener_filters_timeout);
  REQUIRE(listener.filter_chains.size() == 2);
  CHECK(listener.filter_chains[0].match.server_names == std::vector<std::string>{"a.example"});
  CHECK(targets(listener.filter_chains[0]) == "outbound|443||a.example");
  CHECK(targets(listener.filter_chains[1]) == "outbound|443||b.example");
}

TEST_CASE("tcp routes: the first that matches port, subnet, labels and gateway, by weight") {
  const std::string rules = R"(
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: db, namespace: demo}
spec:
  host: db.example
  trafficPolicy: {connectionPool: {tcp: {idleTimeout: 90s}}}
  subsets: [{name: old, labels: {v: a}}, {name: new, labels: {v: b}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: db, namespace: demo}
spec:
  hosts: [db.example]
  tcp:
  - match: [{port: 1}, {destinationSubnets: [10.0.0.0/8]}]
    route: [{destination: {host: other.example}}]
  - match: [{port: 5432, destinationSubnets: [127.1.0.0/16], sourceLabels: {version: v2}, gateways: [mesh]}]
    route: [{destination: {host: db.example, subset: new}}]
  - route:
    - {destination: {host: db.example, subset: old}, weight: 90}
    - {destination: {host: db.example, subset: new, port: {number: 5433}}, weight: 10}
)";
  const auto v1 = listeners(kDb + rules).at("outbound|127.1.2.3|5432");
  CHECK(targets(v1->filter_chains[0]) ==
        "outbound|5432|old|db.example*90 outbound|5433|new|db.example*10");
  CHECK(v1->filter_chains[0].tcp->idle_timeout == std::chrono::seconds(90));
  const auto v2 = listeners(kDb + rules, "127.0.0.1", "v2").at("outbound|127.1.2.3|5432");
  CHECK(targets(v2->filter_chains[0]) == "outbound|5432|new|db.example");
}

TEST_CASE("tls routes: by server name, the first that has it") {
  const auto made =
      listeners(service("edge.example", "{number: 443, name: tls, protocol: TLS}") + R"(
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge, namespace: demo}
spec:
  hosts: [edge.example]
  tls:
  - match: [{port: 443, sniHosts: [a.edge.example, "*.b.edge.example"]}]
    route: [{destination: {host: one.example}}]
  - match: [{sniHosts: [a.edge.example, edge.example]}]
    route: [{destination: {host: two.example}}]
)");
  const auto& chains = made.at("outbound|127.0.0.1|443")->filter_chains;
  REQUIRE(chains.size() == 2);
  CHECK(chains[0].match.server_names ==
        std::vector<std::string>{"a.edge.example", "*.b.edge.example"});
  CHECK(targets(chains[0]) == "outbound|443||one.example");
  CHECK(chains[1].match.server_names == std::vector<std::string>{"edge.example"});
  CHECK(targets(chains[1]) == "outbound|443||two.example");
}

TEST_CASE("inbound listeners read the PROXY protocol of the peers that are named") {
  Node node = sample::node("ratings-1");
  node.proxy_protocol_peers = "10.0.0.7,192.0.2.0/24,2001:db8::/32";
  bool seen = false;
  for (const auto& one : compile_listeners(*sample::model(sample::kAll), node)) {
    const auto listener = xds::decode_listener(*one.body);
    REQUIRE(listener);
    if ((*listener)->direction != xds::TrafficDirection::Inbound) continue;
    seen = true;
    REQUIRE((*listener)->proxy_protocol);
    CHECK_FALSE((*listener)->proxy_protocol->any_peer);
    CHECK((*listener)->proxy_protocol->peers ==
          std::vector<xds::CidrRange>{{"10.0.0.7", 32}, {"192.0.2.0", 24}, {"2001:db8::", 32}});
  }
  CHECK(seen);
}

}  // namespace
