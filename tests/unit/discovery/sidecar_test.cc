// What a Sidecar says of limits, of certificates of its own and of unknown traffic.
#include <catch2/catch.hpp>

#include "unit/discovery/sample.h"
#include "xds/decode.h"

namespace {

using namespace mesh;
using namespace mesh::discovery;

std::string object(const std::string& kind, const std::string& name, const std::string& spec,
                   const std::string& api = "networking.istio.io/v1") {
  return "\n---\napiVersion: " + api + "\nkind: " + kind + "\nmetadata: {name: " + name +
         ", namespace: demo}\nspec: " + spec + "\n";
}

template <class T>
T value(Result<T> result) {
  if (!result) FAIL(result.error().text);
  return *std::move(result);
}

std::shared_ptr<const xds::Cluster> cluster(const std::string& yaml, const std::string& name) {
  for (const auto& one : compile_clusters(*sample::model(yaml), sample::node("ratings-1")))
    if (one.name == name) return value(xds::decode_cluster(*one.body));
  FAIL("no cluster " << name);
  return nullptr;
}

// A rule of the service, and what of the Sidecar of its workload comes before it.
TEST_CASE("sidecar: limits towards the application, by who says so first") {
  const std::string rule = object(
      "DestinationRule", "r",
      "{host: ratings.demo.svc.cluster.local, trafficPolicy: {connectionPool: {tcp: "
      "{maxConnections: 1, connectTimeout: 3s}, http: {maxRequestsPerConnection: 5}}, "
      "portLevelSettings: [{port: {number: 81}, connectionPool: {http: {http2MaxRequests: 2}}}]}}");
  const auto sidecar = [](const std::string& spec) {
    return object("Sidecar", "s", "{workloadSelector: {labels: {app: ratings}}, " + spec + "}");
  };
  const std::string whole = "inboundConnectionPool: {tcp: {maxConnections: 3}}";
  const std::string ports =
      ", ingress: [{port: {number: 80, protocol: HTTP}, connectionPool: {tcp: {maxConnections: "
      "4}}}, {port: {number: 81, protocol: GRPC}}]";
  struct Row {
    const char* because;
    std::string yaml;
    uint32_t at_80, at_81;  // connections
    uint32_t requests;      // at 81
  };
  const uint32_t none = UINT32_MAX;
  const Row rows[] = {
      {"nobody", "", none, none, none},
      {"the rule, and its port's in its place", rule, 1, none, 2},
      {"the Sidecar, in the place of both", rule + sidecar(whole), 3, 3, none},
      {"the port's own first", rule + sidecar(whole + ports), 4, 3, none},
      {"a port's own alone", sidecar(ports.substr(2)), 4, none, none},
  };
  for (const Row& row : rows) {
    CAPTURE(row.because);
    const std::string yaml = sample::kAll + row.yaml;
    CHECK(cluster(yaml, "inbound|80||")->limits.max_connections == row.at_80);
    CHECK(cluster(yaml, "inbound|81||")->limits.max_connections == row.at_81);
    CHECK(cluster(yaml, "inbound|81||")->limits.max_requests == row.requests);
  }
  const auto made = cluster(sample::kAll + rule, "inbound|80||");
  CHECK(made->connect_timeout == std::chrono::seconds(3));
  CHECK(made->max_requests_per_connection == 5);
}

TEST_CASE("sidecar: a port's own certificate, where the mesh has no TLS there") {
  const auto front = [](const std::string& mode, const std::string& protocol) {
    const std::string yaml =
        sample::kAll +
        object("Sidecar", "s",
               "{workloadSelector: {labels: {app: ratings}}, ingress: [{port: {number: 443, "
               "protocol: " +
                   protocol +
                   "}, defaultEndpoint: '127.0.0.1:8080', tls: {mode: MUTUAL, serverCertificate: "
                   "/c.pem, privateKey: /k.pem, caCertificates: /ca.pem}}]}") +
        object(
            "PeerAuthentication", "p",
            "{selector: {matchLabels: {app: ratings}}, portLevelMtls: {443: {mode: " + mode + "}}}",
            "security.istio.io/v1");
    for (const auto& one : compile_listeners(*sample::model(yaml), sample::node("ratings-1")))
      if (one.name == "inbound|10.0.0.9|443") return value(xds::decode_listener(*one.body));
    FAIL("no listener");
    return std::shared_ptr<const xds::Listener>();
  };
  const auto own = front("DISABLE", "HTTPS");
  REQUIRE(own->filter_chains.size() == 1);
  CHECK(own->tls_inspector);
  CHECK(own->filter_chains[0].match.transport_protocol == "tls");
  CHECK_FALSE(own->filter_chains[0].tcp);
  REQUIRE(own->filter_chains[0].tls);
  CHECK(own->filter_chains[0].tls->certificate_secrets.at(0) == "file-cert:/c.pem~/k.pem");
  CHECK(own->filter_chains[0].tls->validation_secret == "file-root:/ca.pem");
  CHECK(own->filter_chains[0].tls->require_client_certificate);
  const auto bytes = front("DISABLE", "TLS");
  REQUIRE(bytes->filter_chains.size() == 1);
  CHECK(bytes->filter_chains[0].tcp);
  const auto mesh = front("STRICT", "HTTPS");
  REQUIRE(mesh->filter_chains.size() == 1);
  CHECK(mesh->filter_chains[0].tls->certificate_secrets.at(0) == "default");
  CHECK_FALSE(mesh->filter_chains[0].tcp);
}

TEST_CASE("sidecar: unknown traffic goes to the egress proxy") {
  const std::string proxy =
      "outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: web, port: {number: 80}}}";
  const std::string of_mesh =
      "\n---\napiVersion: mesh/v1\nkind: MeshConfig\nmetadata: {name: m, "
      "namespace: istio-system}\nspec: {";
  struct Row {
    const char* because;
    std::string yaml;
    std::string http;  // at the listener that asks nobody where a request was going
    std::string captured;
  };
  const Row rows[] = {
      {"nobody says so", "", "none", "PassthroughCluster"},
      {"of the Sidecar", object("Sidecar", "s", "{" + proxy + "}"), "outbound|80||web",
       "outbound|80||web"},
      {"of the mesh", of_mesh + proxy + "}\n", "outbound|80||web", "outbound|80||web"},
      {"the Sidecar's goes before it",
       of_mesh + proxy + "}\n" +
           object("Sidecar", "s", "{outboundTrafficPolicy: {mode: ALLOW_ANY}}"),
       "none", "PassthroughCluster"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.because);
    const auto model = sample::model(sample::kAll + row.yaml);
    Node node = sample::node("ratings-1");
    node.capture_outbound = {.address = "0.0.0.0:15001"};
    const route::Request request{.authority = "nobody.example", .method = "GET", .path = "/"};
    for (const auto& one : compile_routes(*model, node)) {
      if (one.name != "outbound" && one.name != "80") continue;
      const auto table = value(xds::decode_route_configuration(*one.body));
      const auto* const found = table->find(request);
      const std::string where = found == nullptr ? "none" : found->clusters.at(0).cluster;
      CHECK(where == (one.name == "80" ? row.captured : row.http));
    }
    for (const auto& one : compile_listeners(*model, node)) {
      if (one.name != "virtualOutbound") continue;
      const auto listener = value(xds::decode_listener(*one.body));
      CHECK(listener->filter_chains.back().tcp->targets.front().cluster == row.captured);
    }
  }
}

}  // namespace
