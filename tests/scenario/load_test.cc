// Changes of all kinds under full load, over HTTP/1 and HTTP/2: nothing is lost.
#include <catch2/catch.hpp>

#include "scenario/authority.h"
#include "scenario/load.h"
#include "scenario/mesh.h"
#include "scenario/standalone.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using support::Origin;
using support::Wire;

namespace {

Load::Protocol protocols() { return GENERATE(Load::Protocol::Http1, Load::Protocol::Http2); }

// Waits until the load has gone on for a while.
bool goes_on(const Load& load, size_t requests) {
  const size_t before = load.answered();
  return support::wait_for([&] { return load.answered() > before + requests; });
}

constexpr const char* kWebId = "spiffe://cluster.local/ns/demo/sa/web";
constexpr const char* kReviewsId = "spiffe://cluster.local/ns/demo/sa/reviews";

// A mesh of a caller and a callee under STRICT, and a service beside it that comes and goes.
struct Pair {
  std::string yaml(bool more) const {
    const std::string mine = std::to_string(port);
    return instance("web", "web-1", 9, "", ", serviceAccount: web") + service("svc") +
           instance("svc", "svc-1", port, "", ", serviceAccount: svc") +
           object("Sidecar", "svc-1",
                  "{workloadSelector: {labels: {app: svc}}, ingress: [{port: {number: " + mine +
                      ", protocol: HTTP, name: http}, defaultEndpoint: '127.0.0.1:" +
                      std::to_string(application.port()) + "'}]}") +
           object("PeerAuthentication", "default", "{mtls: {mode: STRICT}}") +
           (more ? service("other") + instance("other", "other-1", application.port()) +
                       object("DestinationRule", "svc",
                              "{host: svc, trafficPolicy: {loadBalancer: {simple: RANDOM}, "
                              "connectionPool: {http: {http2MaxRequests: 5000}}}}") +
                       object("VirtualService", "svc",
                              "{hosts: [svc], http: [{timeout: 30s, route: [{destination: {host: "
                              "svc}}]}]}")
                 : "");
  }
  Origin application{"svc"};
  const uint16_t port = support::unused_port();
};

}  // namespace

TEST_CASE("load: certificates are renewed in a loop, and no request is lost", "[forwarder]") {
  const auto protocol = protocols();
  const Pair pair;
  Mesh mesh(pair.yaml(false));
  Proxy& callee = mesh.start("svc-1", 2);
  Proxy& caller = mesh.start("web-1", 2);
  Load load(caller.port("outbound"), 3, protocol);
  REQUIRE(goes_on(load, 50));
  for (int round = 0; round < 12; ++round) {
    // One side, the other, and both at once.
    if (round % 3 != 1) mesh.renew("svc-1");
    if (round % 3 != 0) mesh.renew("web-1");
    REQUIRE(goes_on(load, 20));
  }
  load.stop();
  CHECK(load.lost() == 0);
  CHECK(callee.in_force() > 8);
}

TEST_CASE("load: objects of every kind change in a mesh of two forwarders", "[forwarder]") {
  const auto protocol = protocols();
  const Pair pair;
  Mesh mesh(pair.yaml(false));
  mesh.start("svc-1", 2);
  Proxy& caller = mesh.start("web-1", 2);
  Load load(caller.port("outbound"), 3, protocol);
  REQUIRE(goes_on(load, 50));
  for (int round = 1; round <= 12; ++round) {
    mesh.apply(pair.yaml(round % 2 == 1));
    if (round % 4 == 0) mesh.renew("svc-1");
    REQUIRE(goes_on(load, 20));
  }
  load.stop();
  CHECK(load.lost() == 0);
}

TEST_CASE("load: listeners, clusters and secrets of a bootstrap come, change and go",
          "[forwarder]") {
  const auto protocol = protocols();
  const Authority ca("ca");
  Origin a("a"), b("b");
  const auto yaml = [&](int round) {
    std::string text =
        Front{.route = round % 2 == 0 ? "" : R"(
              - match: { prefix: "/none" }
                direct_response: { status: 404 }
              - match: { prefix: "/" }
                route: { cluster: svc, timeout: 9s })",
              .endpoints = round % 3 == 0 ? ports({a.port()}) : ports({b.port(), a.port()})}
            .yaml();
    if (round % 2 == 0) return text;
    // A listener with a certificate of its own beside it, new in each round.
    const std::string listener = R"(  - name: secure
    address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
    filter_chains:
    - filters:
      - name: tcp
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: tcp
          cluster: svc
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          require_client_certificate: true
          common_tls_context:
            tls_certificate_sds_secret_configs: [ { name: own } ]
            combined_validation_context:
              default_validation_context:
                match_typed_subject_alt_names: [ { san_type: URI, matcher: { exact: ")" +
                                 std::string(kWebId) + R"(" } } ]
              validation_context_sds_secret_config: { name: roots }
)";
    text.insert(text.find("  clusters:"), listener);
    return text + ca.secrets(kReviewsId, ca);
  };
  Proxy proxy(yaml(0), 2);
  const uint16_t port = proxy.port();
  Load load(port, 3, protocol);
  REQUIRE(goes_on(load, 50));
  for (int round = 1; round <= 12; ++round) {
    REQUIRE(proxy.apply(yaml(round)) == "");
    CHECK((proxy.port("secure") != 0) == (round % 2 == 1));
    REQUIRE(goes_on(load, 20));
  }
  load.stop();
  CHECK(load.lost() == 0);
  CHECK(proxy.port() == port);
}

TEST_CASE("load: a successor takes over from clients of HTTP/2, and resets none of their streams",
          "[forwarder]") {
  const char* const workers = GENERATE("1", "2");
  Origin a("a");
  const support::TempDir folder;
  Standalone alone(
      Front{.endpoints = ports({a.port()}), .hcm = "\n          drain_timeout: 0.2s"}.yaml(),
      {"--concurrency", workers, "--takeover", folder.file("next"), "--drain-time-s", "20"});
  const uint16_t port = alone.port();
  REQUIRE(port != 0);
  Load load(port, 4, Load::Protocol::Http2);
  REQUIRE(goes_on(load, 100));
  for (int round = 0; round < 2; ++round) {
    const auto former = alone.succeed();
    CHECK(former->wait_exit(std::chrono::seconds(20)) == 0);
    INFO(former->err());
    REQUIRE(goes_on(load, 100));
    CHECK(alone.port() == port);
  }
  load.stop();
  CHECK(load.lost() == 0);
}
