// Two forwarders, mutual TLS and HTTP/2 between them; and who is refused.
#include <catch2/catch.hpp>
#include <memory>

#include "scenario/authority.h"
#include "scenario/proxy.h"
#include "support/http_peer.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using support::Message;
using support::Origin;
using support::Wire;

namespace {

constexpr const char* kWeb = "spiffe://cluster.local/ns/default/sa/web";
constexpr const char* kReviews = "spiffe://cluster.local/ns/default/sa/reviews";

// Whose cluster speaks either, as the peer likes; then its TLS says nothing of protocols.
const std::string kEither = "auto";

std::string tls_context(const std::string& kind, const std::string& peer, bool alpn = true) {
  const bool server = kind == "Downstream";
  return R"(
      name: envoy.transport_sockets.tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.)" +
         kind + R"(TlsContext
        )" +
         (server ? "require_client_certificate: true" : "sni: reviews") + R"(
        common_tls_context:
          alpn_protocols: )" +
         (alpn ? R"(["h2", "http/1.1"])" : "[]") + R"(
          tls_params: { tls_minimum_protocol_version: TLSv1_3 }
          tls_certificate_sds_secret_configs: [ { name: own } ]
          combined_validation_context:
            default_validation_context:
              match_typed_subject_alt_names:
              - { san_type: URI, matcher: { exact: ")" +
         peer + R"(" } }
            validation_context_sds_secret_config: { name: roots })";
}

std::string chain(const std::string& match, const std::string& tls) {
  return R"(
    - filter_chain_match: { transport_protocol: )" +
         match + R"( }
      filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: front
          route_config:
            name: local
            virtual_hosts:
            - { name: all, domains: ["*"], routes: [ { match: { prefix: "/" }, route: { cluster: app } } ] }
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router })" +
         (tls.empty() ? "" : "\n      transport_socket:" + [&] {
           std::string deeper;
           for (const char c : tls) {
             deeper += c;
             if (c == '\n') deeper += "  ";
           }
           return deeper;
         }());
}

// The callee's side: TLS, and clear text too where it is permissive.
std::string inbound(uint16_t app, bool permissive, const std::string& secrets) {
  return R"(static_resources:
  listeners:
  - name: front
    traffic_direction: INBOUND
    address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
    listener_filters:
    - name: envoy.filters.listener.tls_inspector
      typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector }
    filter_chains:)" +
         chain("tls", tls_context("Downstream", kWeb)) +
         (permissive ? chain("raw_buffer", "") : "") + R"(
  clusters:
  - name: app
    type: STATIC
    load_assignment:
      cluster_name: app
      endpoints:
      - lb_endpoints:
        - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: )" +
         std::to_string(app) + " } } }" + secrets;
}

std::string outbound(uint16_t peer, const std::string& expected, const std::string& protocol,
                     const std::string& secrets, const std::string& more = "") {
  std::string tls;
  for (const char c : tls_context("Upstream", expected, protocol != kEither)) tls += c;
  const std::string speaks =
      protocol == kEither ? "auto_config: { http_protocol_options: {}, http2_protocol_options: {} }"
                          : "explicit_http_config: { " + protocol + ": {} }";
  return Front{.endpoints = ports({peer}), .cluster = R"(
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        )" + speaks + more + R"(
    transport_socket:)" + tls}
             .yaml() +
         secrets;
}

}  // namespace

TEST_CASE("scenario: a pair under mutual TLS", "[forwarder]") {
  const uint32_t count = workers();
  const std::string protocol = GENERATE("http2_protocol_options", "http_protocol_options", "auto");
  const Authority ca("ca");
  Origin app("app");
  app.handle([](const Message& request, Wire& wire) {
    return wire.send(
        support::response(200, request.body + "|" + request.field("x-forwarded-proto")));
  });
  Proxy server(inbound(app.port(), false, ca.secrets(kReviews, ca)), count);
  Proxy client(outbound(server.port(), kReviews, protocol, ca.secrets(kWeb, ca)), count);

  Wire wire = Wire::connect(client.port());
  for (int i = 0; i < 20; ++i) {
    wire.send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n");
    CHECK(wire.read().status == 200);
  }
  const std::string big(1'000'000, 'z');
  wire.send("POST / HTTP/1.1\r\nhost: svc\r\ncontent-length: 1000000\r\n\r\n" + big);
  const Message answer = wire.read();
  CHECK(answer.status == 200);
  CHECK(answer.body.starts_with(big));

  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      Wire own = Wire::connect(client.port());
      for (int i = 0; i < 25; ++i) {
        own.send("GET /" + std::to_string(i) + " HTTP/1.1\r\nhost: svc\r\n\r\n");
        if (own.read().status == 200) ++good;
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK(good == 200);
  if (protocol != "http_protocol_options") CHECK(server.connections() <= count);
}

TEST_CASE("scenario: who called is told by its certificate, and by nothing else", "[forwarder]") {
  const Authority ca("ca");
  Origin app("app");
  app.handle([](const Message& request, Wire& wire) {
    return wire.send(support::response(200, request.field("x-forwarded-client-cert")));
  });
  std::string callee = inbound(app.port(), true, ca.secrets(kReviews, ca));
  const std::string mark = "stat_prefix: front";
  const std::string more =
      "forward_client_cert_details: APPEND_FORWARD\n"
      "          set_current_client_cert_details: { subject: true, uri: true }\n"
      "          ";
  for (size_t at = callee.find(mark); at != std::string::npos;
       at = callee.find(mark, at + more.size() + mark.size()))
    callee.insert(at, more);
  Proxy server(callee, 1);
  Proxy client(outbound(server.port(), kReviews, "http2_protocol_options", ca.secrets(kWeb, ca)),
               1);
  const char* const forged = "x-forwarded-client-cert: URI=spiffe://evil\r\n";
  const std::string told = support::get(client.port(), "/", "svc", forged).body;
  CHECK(told.find("URI=" + std::string(kWeb)) != std::string::npos);
  CHECK(told.find("Hash=") != std::string::npos);
  CHECK(told.find("evil") == std::string::npos);
  // Clear text proves nothing.
  CHECK(support::get(server.port(), "/", "svc", forged).body.empty());
}

TEST_CASE("scenario: STRICT refuses clear text, PERMISSIVE takes both", "[forwarder]") {
  const Authority ca("ca");
  Origin app("app");
  Proxy strict(inbound(app.port(), false, ca.secrets(kReviews, ca)), 1);
  CHECK(support::get(strict.port()).status == 0);
  Proxy permissive(inbound(app.port(), true, ca.secrets(kReviews, ca)), 1);
  CHECK(support::get(permissive.port()).status == 200);
  Proxy client(
      outbound(permissive.port(), kReviews, "http2_protocol_options", ca.secrets(kWeb, ca)), 1);
  CHECK(support::get(client.port()).status == 200);
}

TEST_CASE("scenario: certificates are checked on both sides", "[forwarder]") {
  const Authority ca("ca");
  const Authority other("other");
  Origin app("app");
  Proxy server(inbound(app.port(), false, ca.secrets(kReviews, ca)), 1);
  const auto status = [&](const std::string& expected, const std::string& secrets) {
    Proxy client(outbound(server.port(), expected, "http2_protocol_options", secrets), 1);
    return support::get(client.port()).status;
  };
  CHECK(status(kReviews, ca.secrets(kWeb, ca)) == 200);
  // Who calls is not whom the callee expects.
  CHECK(status(kReviews, ca.secrets("spiffe://cluster.local/ns/default/sa/evil", ca)) == 503);
  // Whom we call is not whom we expect.
  CHECK(status("spiffe://cluster.local/ns/default/sa/ratings", ca.secrets(kWeb, ca)) == 503);
  // A certificate of another authority, and an authority that we do not know.
  CHECK(status(kReviews, other.secrets(kWeb, ca)) == 503);
  CHECK(status(kReviews, ca.secrets(kWeb, other)) == 503);
  CHECK(app.requests() == 1);
}

TEST_CASE("scenario: a certificate that its authority revoked is refused", "[forwarder]") {
  const uint32_t count = workers();
  const Authority ca("ca");
  Origin app("app");
  const std::string list = "crl: { filename: \"" + ca.revoke({}) + "\" }";
  // Each request has its own connection.
  const std::string once =
      "\n        common_http_protocol_options: { max_requests_per_connection: 1 }";
  Proxy server(inbound(app.port(), false, ca.secrets(kReviews, ca, list)), count);
  const auto client = [&](const std::string& roots) {
    return std::make_unique<Proxy>(outbound(server.port(), kReviews, "http2_protocol_options",
                                            ca.secrets(kWeb, ca, roots), once),
                                   count);
  };
  const auto first = client("");
  const auto second = client(list);
  CHECK(support::get(first->port()).status == 200);
  CHECK(support::get(second->port()).status == 200);
  // The list that changed is read anew, by both sides.
  SECTION("the client's") {
    ca.revoke({1});
    CHECK(support::wait_for([&] { return support::get(first->port()).status == 503; }));
    CHECK(support::get(second->port()).status == 200);
  }
  SECTION("the server's, for who looks it up") {
    ca.revoke({0});
    CHECK(support::wait_for([&] { return support::get(second->port()).status == 503; }));
    CHECK(support::get(first->port()).status == 200);
  }
}

TEST_CASE("scenario: health checks go under the TLS that requests use", "[forwarder]") {
  const Authority ca("ca");
  Origin app("app");
  std::atomic<int> checks{0};
  std::atomic<int> health{200};
  app.handle([&](const Message& request, Wire& wire) {
    const bool check = request.start.starts_with("GET /healthz ");
    if (check) ++checks;
    return wire.send(support::response(check ? health.load() : 200, "app"));
  });
  Proxy server(inbound(app.port(), false, ca.secrets(kReviews, ca)), 1);
  const std::string policy = R"(
    common_lb_config: { healthy_panic_threshold: { value: 0 } }
    health_checks:
    - { timeout: 5s, interval: 0.03s, no_traffic_interval: 0.03s, unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: { path: /healthz } })";
  SECTION("of whom we expect") {
    Proxy client(
        outbound(server.port(), kReviews, "http2_protocol_options", ca.secrets(kWeb, ca), policy),
        1);
    REQUIRE(support::wait_for([&] { return support::get(client.port()).status == 200; }));
    health = 503;
    REQUIRE(support::wait_for([&] { return support::get(client.port()).status == 503; }));
    health = 200;
    REQUIRE(support::wait_for([&] { return support::get(client.port()).status == 200; }));
    // One connection for the checks, one for the requests.
    CHECK(server.connections() <= 2);
    CHECK(checks >= 3);
  }
  SECTION("not of anybody else") {
    Proxy client(outbound(server.port(), "spiffe://cluster.local/ns/default/sa/ratings",
                          "http2_protocol_options", ca.secrets(kWeb, ca), policy),
                 1);
    uint64_t failed = 0;
    REQUIRE(support::wait_for([&] {
      client.run([&](forward::Forwarder& f) {
        failed = f.snapshot()->clusters.at("svc")->shared->checks.network_failure.value();
      });
      return failed >= 2;
    }));
    CHECK(support::get(client.port()).status == 503);
    CHECK(checks == 0);
  }
}
