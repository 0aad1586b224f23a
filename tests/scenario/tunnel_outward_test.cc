// Relayed connections through HTTP proxies by CONNECT: TcpProxy.tunneling_config and
// DestinationRule's tunnel. mesh-routing(7), "TCP".
#include <catch2/catch.hpp>
#include <mutex>

#include "scenario/mesh.h"
#include "support/tcp_peer.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using support::connect_to;
using support::read_some;
using support::TcpOrigin;
using support::Wire;

namespace {

std::string front(uint16_t proxy, const std::string& more = "") {
  return R"(static_resources:
  listeners:
  - name: front
    address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
    filter_chains:
    - filters:
      - name: tcp
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: tcp
          cluster: svc
          tunneling_config: { hostname: "db.example:5432" }
  clusters:
  - name: svc
    type: STATIC
    connect_timeout: 0.5s
)" + more +
         R"(    load_assignment:
      cluster_name: svc
      endpoints:
      - lb_endpoints:
        - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: )" +
         std::to_string(proxy) + " } } }\n";
}

// What the proxy was asked last.
class Asked {
 public:
  void set(std::string text) {
    const std::lock_guard lock(mutex_);
    text_ = std::move(text);
  }
  std::string text() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

// A proxy that answers each CONNECT with these pieces, each by itself, and then echoes.
TcpOrigin::Script proxy_of(std::vector<std::string> pieces, Asked& asked) {
  return [pieces, &asked](Wire& wire) {
    asked.set(wire.read_head());
    for (const auto& piece : pieces) wire.send(piece);
    TcpOrigin::echo(wire);
  };
}

}  // namespace

TEST_CASE("tunnel outward: the proxy is asked, and what follows its answer is the tunnel's",
          "[forwarder]") {
  const uint32_t count = workers();
  Asked asked;
  std::vector<std::string> pieces = GENERATE(
      std::vector<std::string>{"HTTP/1.1 200 OK\r\n\r\nwelcome"},
      std::vector<std::string>{"HTTP/1.1 200 Connection ", "established\r\nVia: p\r\n\r", "\nwelco",
                               "me"},
      std::vector<std::string>{"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.0 204\r\n"
                               "Content-Length: 7\r\n\r\nwelcome"});
  TcpOrigin proxy(proxy_of(pieces, asked));
  Proxy forwarder(front(proxy.port()), count);
  Wire client = connect_to("127.0.0.1", forwarder.port());
  CHECK(read_some(client, 7) == "welcome");
  CHECK(asked.text() == "CONNECT db.example:5432 HTTP/1.1\r\nHost: db.example:5432\r\n\r\n");
  REQUIRE(client.send("hello"));
  CHECK(read_some(client, 5) == "hello");
  client.shutdown_write();
  CHECK(client.read_all().empty());
  CHECK_FALSE(client.was_reset());
  CHECK(support::wait_for([&] { return forwarder.connections() == 0; }));
}

TEST_CASE("tunnel outward: a proxy that refuses, babbles or is silent", "[forwarder]") {
  Asked asked;
  const std::vector<std::string> pieces =
      GENERATE(std::vector<std::string>{"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"},
               std::vector<std::string>{"HTTP/1.1 101 Switching Protocols\r\n\r\n"},
               std::vector<std::string>{"SSH-2.0-OpenSSH\r\n\r\n"},
               std::vector<std::string>{"HTTP/2 200\r\n\r\n"},
               std::vector<std::string>{"HTTP/1.1 200 OK\r\nx: " + std::string(20000, 'x')},
               std::vector<std::string>{"HTTP/1.1 200 OK\r\n"},  // and nothing more
               std::vector<std::string>{});
  TcpOrigin proxy(proxy_of(pieces, asked));
  Proxy forwarder(front(proxy.port()), 1);
  Wire client = connect_to("127.0.0.1", forwarder.port());
  client.send("secret");
  CHECK(client.read_all().empty());
  CHECK(asked.text().find("secret") == std::string::npos);
  CHECK(support::wait_for([&] { return forwarder.connections() == 0; }));
}

TEST_CASE("tunnel outward: a cluster that speaks HTTP/2 is none for it", "[forwarder]") {
  Asked asked;
  TcpOrigin proxy(proxy_of({"HTTP/1.1 200 OK\r\n\r\n"}, asked));
  Proxy forwarder(front(proxy.port(), R"(    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { http2_protocol_options: {} }
)"),
                  1);
  Wire client = connect_to("127.0.0.1", forwarder.port());
  CHECK(client.read_all().empty());
  CHECK(proxy.connections() == 0);
}

TEST_CASE("mesh: a DestinationRule's tunnel goes through its host", "[forwarder]") {
  const uint32_t count = workers();
  Asked asked;
  TcpOrigin proxy(proxy_of({"HTTP/1.1 200 OK\r\n\r\n"}, asked));
  const uint16_t db = support::unused_port(), egress = support::unused_port();
  Mesh mesh(instance("web", "web-1", 9) + service("db", "TCP", db) +
            service("egress", "TCP", egress) + instance("egress", "egress-1", proxy.port()) +
            object("DestinationRule", "egress",
                   "{host: egress, subsets: [{name: to-db, trafficPolicy: {tunnel: {targetHost: "
                   "db.example, targetPort: 5432}}}]}") +
            object("VirtualService", "db",
                   "{hosts: [db], tcp: [{route: [{destination: {host: egress, subset: to-db, port: "
                   "{number: " +
                       std::to_string(egress) + "}}}]}]}"));
  mesh.start("web-1", {.workers = count, .outbound_tcp = "127.0.0.1"});
  Wire client = connect_to("127.0.0.1", db);
  REQUIRE(client.send("hello"));
  CHECK(read_some(client, 5) == "hello");
  CHECK(asked.text() == "CONNECT db.example:5432 HTTP/1.1\r\nHost: db.example:5432\r\n\r\n");
  // The rule as a whole says nothing of a tunnel.
  asked.set("");
  Wire plain = connect_to("127.0.0.1", egress);
  REQUIRE(plain.send("ab\r\n\r\n"));
  CHECK(support::wait_for([&] { return asked.text() == "ab\r\n\r\n"; }));
}

TEST_CASE(
    "mesh: a tunnel through a proxy under mutual TLS outlives certificates, and new ones come",
    "[forwarder]") {
  const uint32_t count = workers();
  Asked asked;
  TcpOrigin proxy(proxy_of({"HTTP/1.1 200 OK\r\n\r\n"}, asked));
  const uint16_t db = support::unused_port(), egress = support::unused_port(),
                 door = support::unused_port();
  Mesh mesh(instance("web", "web-1", 9, "", ", serviceAccount: web") + service("db", "TCP", db) +
            service("egress", "TCP", egress) +
            instance("egress", "egress-1", door, "", ", serviceAccount: egress") +
            object("Sidecar", "egress-1",
                   "{workloadSelector: {labels: {app: egress}}, ingress: [{port: {number: " +
                       std::to_string(door) + ", protocol: TCP, name: tcp}, defaultEndpoint: '" +
                       "127.0.0.1:" + std::to_string(proxy.port()) + "'}]}") +
            object("PeerAuthentication", "default", "{mtls: {mode: STRICT}}") +
            object("DestinationRule", "egress",
                   "{host: egress, subsets: [{name: to-db, trafficPolicy: {tunnel: {targetHost: "
                   "db.example, targetPort: 5432}}}]}") +
            object("VirtualService", "db",
                   "{hosts: [db], tcp: [{route: [{destination: {host: egress, subset: to-db, port: "
                   "{number: " +
                       std::to_string(egress) + "}}}]}]}"));
  mesh.start("egress-1", count);
  mesh.start("web-1", {.workers = count, .outbound_tcp = "127.0.0.1"});
  const auto echoes = [](Wire& wire, const std::string& text) {
    return wire.send(text) && read_some(wire, text.size()) == text;
  };
  Wire first = connect_to("127.0.0.1", db);
  REQUIRE(echoes(first, "first"));
  for (int round = 0; round < 4; ++round) {
    // One side, the other, and both at once.
    if (round != 1) mesh.renew("egress-1");
    if (round != 0) mesh.renew("web-1");
    asked.set("");
    Wire next = connect_to("127.0.0.1", db);
    REQUIRE(echoes(next, "next"));
    CHECK(asked.text() == "CONNECT db.example:5432 HTTP/1.1\r\nHost: db.example:5432\r\n\r\n");
    REQUIRE(echoes(first, "still there"));
  }
  first.shutdown_write();
  CHECK(first.read_all().empty());
  CHECK_FALSE(first.was_reset());
  CHECK(proxy.connections() == 5);
}
