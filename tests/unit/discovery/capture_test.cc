// Captured connections: the virtual listeners, their routes and clusters, ports whose protocol
// is not declared, and TLS and PROXY headers towards others.
#include <catch2/catch.hpp>

#include "discovery/compile/compile.h"
#include "unit/discovery/sample.h"
#include "xds/decode.h"

namespace {

using namespace mesh;
using namespace mesh::discovery;
using Discovery = xds::Cluster::Discovery;

const std::string kOthers = R"(
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: db, namespace: demo}
spec:
  hosts: [db.example]
  addresses: [192.0.2.20, 198.51.100.0/24]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 5432, name: pg, protocol: TCP}]
  endpoints: [{address: 192.0.2.21}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: any, namespace: demo}
spec:
  hosts: [any.example]
  addresses: [192.0.2.30]
  location: MESH_EXTERNAL
  resolution: NONE
  ports: [{number: 7000, name: x}]
)";

std::string mesh_policy(const std::string& mode) {
  return "---\napiVersion: mesh/v1\nkind: MeshConfig\nmetadata: {name: mesh, namespace: "
         "istio-system}\nspec: {outboundTrafficPolicy: {mode: " +
         mode + "}, protocolDetectionTimeout: 2s}\n";
}

std::string sidecar_policy(const std::string& mode) {
  return "---\napiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: own, "
         "namespace: demo}\nspec: {outboundTrafficPolicy: {mode: " +
         mode + "}}\n";
}

Node capturing() {
  Node node = sample::node("ratings-1", "");
  node.labels = {{"app", "ratings"}};
  node.outbound.clear();
  node.capture_outbound = {.address = "0.0.0.0:15001"};
  node.capture_inbound = {.address = "0.0.0.0:15006", .tproxy = true};
  return node;
}

template <class T>
T value(Result<T> result) {
  if (!result) FAIL(result.error().text);
  return *std::move(result);
}

std::map<std::string, std::shared_ptr<const xds::Listener>> listeners(const std::string& yaml,
                                                                      const Node& node) {
  std::map<std::string, std::shared_ptr<const xds::Listener>> result;
  for (const auto& one : compile_listeners(*sample::model(yaml), node))
    result[one.name] = value(xds::decode_listener(*one.body));
  return result;
}

std::map<std::string, std::shared_ptr<const xds::Cluster>> clusters(const std::string& yaml,
                                                                    const Node& node) {
  std::map<std::string, std::shared_ptr<const xds::Cluster>> result;
  for (const auto& one : compile_clusters(*sample::model(yaml), node))
    result[one.name] = value(xds::decode_cluster(*one.body));
  return result;
}

std::map<std::string, std::shared_ptr<const route::Table>> routes(const std::string& yaml,
                                                                  const Node& node) {
  std::map<std::string, std::shared_ptr<const route::Table>> result;
  for (const auto& one : compile_routes(*sample::model(yaml), node))
    result[one.name] = value(xds::decode_route_configuration(*one.body));
  return result;
}

// The cluster of a chain that relays, or "http NAME".
std::string goal(const xds::FilterChain& chain) {
  return chain.tcp ? chain.tcp->targets.front().cluster : "http " + chain.route_config_name;
}

const xds::FilterChain& chain_of(const xds::Listener& listener, const std::string& name) {
  for (const auto& chain : listener.filter_chains)
    if (chain.name == name) return chain;
  FAIL("no chain " << name);
  return listener.filter_chains.front();
}

TEST_CASE("capture: outbound connections come to one listener and go on at those of services") {
  const auto made = listeners(sample::kAll + kOthers, capturing());
  const auto& front = *made.at("virtualOutbound");
  CHECK(front.use_original_dst);
  CHECK(front.bind_to_port);
  CHECK_FALSE(front.transparent);
  CHECK(front.address.port == 15001);
  CHECK(chain_of(front, "virtualOutbound-blackhole").match.destination_port == 15001);
  CHECK(goal(chain_of(front, "virtualOutbound-blackhole")) == "BlackHoleCluster");
  CHECK(goal(chain_of(front, "virtualOutbound-catchall-tcp")) == "PassthroughCluster");

  const auto& http = *made.at("0.0.0.0_80");
  CHECK_FALSE(http.bind_to_port);
  CHECK(http.http_inspector);
  CHECK(goal(chain_of(http, "http")) == "http 80");
  REQUIRE(http.default_filter_chain);
  CHECK(goal(*http.default_filter_chain) == "PassthroughCluster");

  // At its own address, and by range where all addresses come in.
  CHECK(goal(made.at("192.0.2.20_5432")->filter_chains.at(0)) == "outbound|5432||db.example");
  const auto& ranges = *made.at("0.0.0.0_5432");
  CHECK(chain_of(ranges, "198.51.100.0/24").match.prefix_ranges.at(0).bits == 24);
  CHECK(goal(*ranges.default_filter_chain) == "PassthroughCluster");
}

TEST_CASE("capture: IPv6 and IPv4 at one address") {
  Node node = capturing();
  node.capture_outbound.address = "[::]:15001";
  const auto made = listeners(sample::kAll, node);
  CHECK(made.at("virtualOutbound")->ipv4_compat);
  CHECK(made.at("::_80")->ipv4_compat);
  // Envoy refuses it of any other address.
  const auto others = listeners(sample::kAll + kOthers, node);
  CHECK_FALSE(others.at("192.0.2.20_5432")->ipv4_compat);
}

TEST_CASE("capture: outboundTrafficPolicy says where unknown hosts lead") {
  struct Row {
    const char* because;
    std::string yaml;
    bool any;
  };
  const Row rows[] = {
      {"Istio's default", "", true},
      {"of the mesh", mesh_policy("REGISTRY_ONLY"), false},
      {"the Sidecar's goes before it", mesh_policy("REGISTRY_ONLY") + sidecar_policy("ALLOW_ANY"),
       true},
      {"of the Sidecar", sidecar_policy("REGISTRY_ONLY"), false},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      const auto made = listeners(sample::kAll + row.yaml, capturing());
      const std::string unknown = row.any ? "PassthroughCluster" : "BlackHoleCluster";
      CHECK(goal(chain_of(*made.at("virtualOutbound"), "virtualOutbound-catchall-tcp")) == unknown);
      CHECK(goal(*made.at("0.0.0.0_80")->default_filter_chain) == unknown);
      const auto tables = routes(sample::kAll + row.yaml, capturing());
      route::Request request{.authority = "nobody.example", .method = "GET", .path = "/"};
      const auto* found = tables.at("80")->find(request);
      REQUIRE(found != nullptr);
      CHECK(found->name == (row.any ? "allow_any" : "block_all"));
      CHECK(found->direct_status.value_or(0) == (row.any ? 0 : 502));
      // The host alone names the service at the port that was called.
      request.authority = "legacy.example.org";
      CHECK(tables.at("8080")->find(request)->clusters.at(0).cluster ==
            "outbound|8080||legacy.example.org");
      CHECK(tables.count("outbound") == 0);
    }
  }
}

TEST_CASE("capture: inbound connections are told apart by where they were going") {
  const auto made = listeners(sample::kAll, capturing());
  const auto& front = *made.at("virtualInbound");
  CHECK(front.transparent);
  CHECK(front.original_dst);
  CHECK_FALSE(front.use_original_dst);  // wildcard listeners of outbound ports are not for it
  CHECK(made.count("inbound|10.0.0.9|80") == 0);
  CHECK(goal(chain_of(front, "virtualInbound-blackhole")) == "BlackHoleCluster");
  const auto& tls = chain_of(front, "0.0.0.0_80-tls");
  CHECK(tls.match.destination_port == 80);
  CHECK(tls.match.transport_protocol == "tls");
  CHECK(tls.tls);
  CHECK_FALSE(tls.tcp);
  CHECK(goal(chain_of(front, "0.0.0.0_0-plain")) == "InboundPassthroughCluster");
  CHECK(chain_of(front, "0.0.0.0_0-plain-http").match.application_protocols.size() == 3);

  const auto all = clusters(sample::kAll, capturing());
  const auto& port = *all.at("inbound|80||");
  CHECK(port.discovery == Discovery::OriginalDst);
  CHECK(port.source_address.host == "127.0.0.6");
  CHECK(all.at("InboundPassthroughCluster")->discovery == Discovery::OriginalDst);
  CHECK(all.at("PassthroughCluster")->protocol == xds::UpstreamProtocol::Downstream);
  CHECK(all.at("BlackHoleCluster")->load_assignment->endpoints.empty());
}

TEST_CASE("capture: who does not ask for it gets none of this") {
  const auto all = clusters(sample::kAll, sample::node("web-1"));
  CHECK(all.count("PassthroughCluster") + all.count("BlackHoleCluster") == 0);
  CHECK(listeners(sample::kAll, sample::node("web-1")).count("virtualOutbound") == 0);
}

TEST_CASE("a port whose protocol is not declared has both chains") {
  const auto made = listeners(sample::kAll + kOthers + mesh_policy("ALLOW_ANY"), capturing());
  const auto& listener = *made.at("192.0.2.30_7000");
  CHECK(listener.http_inspector);
  CHECK(listener.continue_on_listener_filters_timeout);
  CHECK(listener.listener_filters_timeout == std::chrono::seconds(2));
  CHECK(goal(chain_of(listener, "http")) == "http 7000");
  CHECK(goal(chain_of(listener, "tcp")) == "outbound|7000||any.example");
  const auto all = clusters(sample::kAll + kOthers, capturing());
  const auto& cluster = *all.at("outbound|7000||any.example");
  CHECK(cluster.discovery == Discovery::OriginalDst);
  CHECK(cluster.protocol == xds::UpstreamProtocol::Downstream);
  CHECK(routes(sample::kAll + kOthers, capturing()).count("7000") == 1);
}

std::string rule(const std::string& policy) {
  return "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: db, "
         "namespace: demo}\nspec:\n  host: db.example\n  trafficPolicy: " +
         policy + "\n  subsets: [{name: v1, labels: {version: v1}}]\n";
}

TEST_CASE("the PROXY protocol of a DestinationRule") {
  const auto all =
      clusters(sample::kAll + kOthers + rule("{proxyProtocol: {version: V2}}"), capturing());
  CHECK(all.at("outbound|5432||db.example")->proxy_protocol_version == 2);
  CHECK(all.at("outbound|5432|v1|db.example")->proxy_protocol_version == 2);
  CHECK_FALSE(all.at("outbound|5432||db.example")->tls);
}

TEST_CASE("useClientProtocol goes before the port's") {
  const auto all =
      clusters(sample::kAll +
                   "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: "
                   "{name: l, namespace: demo}\nspec: {host: legacy.example.org, trafficPolicy: "
                   "{connectionPool: {http: {useClientProtocol: true}}}}\n",
               sample::node("web-1"));
  CHECK(all.at("outbound|8080||legacy.example.org")->protocol == xds::UpstreamProtocol::Downstream);
}

const std::string kEgress = R"(
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: own, namespace: demo}
spec:
  egress:
  - {port: {number: 8080, protocol: HTTP, name: h}, bind: 127.0.0.5, hosts: ["*/legacy.example.org"]}
  - {port: {number: 5432, protocol: TCP, name: t}, hosts: ["*/db.example"]}
  - {port: {number: 7000, name: u}, captureMode: NONE, hosts: ["*/any.example"]}
  - {port: {protocol: HTTP, name: p}, bind: "unix:///run/all.sock", hosts: ["./*"]}
  - {hosts: ["*/ratings.demo.svc.cluster.local"]}
)";

TEST_CASE("egress listeners with ports of their own have their hosts alone") {
  Node node = sample::node("web-1", "");
  node.outbound = "127.0.0.1:1";
  const auto made = listeners(sample::kAll + kOthers + kEgress, node);
  const auto tables = routes(sample::kAll + kOthers + kEgress, node);
  const auto leads = [&](const std::string& table, const std::string& authority) {
    route::Request request{.authority = authority, .method = "GET", .path = "/"};
    const auto* found = tables.at(table)->find(request);
    return found == nullptr ? "" : found->clusters.at(0).cluster;
  };
  const auto& http = *made.at("127.0.0.5_8080");
  CHECK(http.address.host == "127.0.0.5");
  CHECK(goal(http.filter_chains.at(0)) == "http 127.0.0.5_8080");
  CHECK(leads("127.0.0.5_8080", "legacy.example.org") == "outbound|8080||legacy.example.org");
  CHECK(leads("127.0.0.5_8080", "ratings").empty());

  CHECK(goal(made.at("127.0.0.1_5432")->filter_chains.at(0)) == "outbound|5432||db.example");
  const auto& unknown = *made.at("127.0.0.1_7000");
  CHECK(unknown.http_inspector);
  CHECK(goal(chain_of(unknown, "http")) == "http 127.0.0.1_7000");
  CHECK(goal(chain_of(unknown, "tcp")) == "outbound|7000||any.example");

  CHECK(made.at("/run/all.sock")->address.path == "/run/all.sock");
  CHECK(leads("/run/all.sock", "ratings") == "outbound|80||ratings.demo.svc.cluster.local");
  // The forwarder's own listener has what is left.
  CHECK(leads("outbound", "ratings") == "outbound|80||ratings.demo.svc.cluster.local");
  CHECK(leads("outbound", "legacy.example.org").empty());
  CHECK(clusters(sample::kAll + kOthers + kEgress, node).count("outbound|5432||db.example") == 1);
}

TEST_CASE("inboundConnections become Envoy's filters of connections") {
  const std::string policy = R"(
---
apiVersion: mesh/v1
kind: ServicePolicy
metadata: {name: ratings, namespace: demo}
spec:
  host: ratings
  inboundConnections: {max: 7, closeDelay: 1s, rate: {connections: 5, per: 2s}}
)";
  Node node = sample::node("ratings-1", "");
  node.labels = {{"app", "ratings"}};
  const auto made = listeners(sample::kAll + policy, node);
  size_t chains = 0;
  for (const auto& [name, listener] : made) {
    if (!name.starts_with("inbound|")) continue;
    for (const auto& chain : listener->filter_chains) {
      ++chains;
      REQUIRE(chain.connection_limit);
      CHECK(chain.connection_limit->most == 7);
      CHECK(chain.connection_limit->delay == std::chrono::seconds(1));
      REQUIRE(chain.connection_rate);
      CHECK(chain.connection_rate->tokens_max == 5);
      CHECK(chain.connection_rate->fill_interval == std::chrono::seconds(2));
      CHECK(chain.connection_rate->share_key == chain.connection_rate->stat_prefix);
    }
  }
  CHECK(chains > 0);
}

TEST_CASE("capture: hosts of a domain go where they were going, by Host and by server name") {
  const std::string wild = R"(
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: wild, namespace: demo}
spec:
  hosts: ["*.wild.example"]
  location: MESH_EXTERNAL
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 443, name: tls, protocol: TLS}]
)";
  const auto made = clusters(sample::kAll + wild, capturing());
  CHECK(made.at("outbound|80||*.wild.example")->discovery == Discovery::OriginalDst);
  const auto tables = routes(sample::kAll + wild, capturing());
  route::Request request{.authority = "a.wild.example", .method = "GET", .path = "/"};
  const auto where = [&](const char* authority) {
    request.authority = authority;
    const auto* found = tables.at("80")->find(request);
    return found == nullptr ? "none" : found->clusters.at(0).cluster;
  };
  CHECK(where("a.wild.example") == "outbound|80||*.wild.example");
  CHECK(where("a.b.wild.example:80") == "outbound|80||*.wild.example");
  CHECK(where("wild.example") == "PassthroughCluster");
  const auto all = listeners(sample::kAll + wild, capturing());
  const auto& chain = chain_of(*all.at("0.0.0.0_443"), "sni|*.wild.example");
  CHECK(chain.match.server_names == std::vector<std::string>{"*.wild.example"});
  CHECK(goal(chain) == "outbound|443||*.wild.example");
}

TEST_CASE("capture: PASSTHROUGH leaves the endpoint to the caller") {
  const std::string rule = R"(
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: db, namespace: demo}
spec:
  host: "*.example"
  trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}, connectionPool: {tcp: {maxConnections: 7}}}
  subsets: [{name: own, labels: {}, trafficPolicy: {loadBalancer: {simple: RANDOM}}}]
)";
  const auto made = clusters(sample::kAll + kOthers + rule, capturing());
  const auto& all = *made.at("outbound|5432||db.example");
  CHECK(all.discovery == Discovery::OriginalDst);
  CHECK_FALSE(all.tls);
  CHECK(made.at("outbound|5432|own|db.example")->discovery == Discovery::Eds);
}

}  // namespace
