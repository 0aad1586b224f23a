// Connections that are not HTTP, between two forwarders of a mesh and from outside.
#include <catch2/catch.hpp>

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

// A database behind a forwarder, and a caller that has one.
struct Database {
  explicit Database(TcpOrigin::Script script = TcpOrigin::echo) : application(std::move(script)) {}

  std::string yaml(const std::string& mode) const {
    return instance("web", "web-1", 9) + service("db", "TCP", called) +
           instance("db", "db-1", port, "", ", serviceAccount: db") +
           object("Sidecar", "db-1",
                  "{workloadSelector: {labels: {app: db}}, ingress: [{port: {number: " +
                      std::to_string(port) + ", protocol: TCP, name: tcp}, defaultEndpoint: '" +
                      "127.0.0.1:" + std::to_string(application.port()) + "'}]}") +
           object("PeerAuthentication", "default", "{mtls: {mode: " + mode + "}}");
  }

  TcpOrigin application;
  const uint16_t port = support::unused_port();    // where its forwarder listens
  const uint16_t called = support::unused_port();  // the service's, at the caller's forwarder
};

std::string pattern(size_t bytes) {
  std::string out(bytes, '\0');
  uint32_t state = 1;
  for (char& c : out) c = char((state = state * 1664525 + 1013904223) >> 24);
  return out;
}

}  // namespace

TEST_CASE("mesh: TCP between two forwarders is under mutual TLS, whole both ways", "[forwarder]") {
  const uint32_t count = workers();
  const Database db;
  Mesh mesh(db.yaml("STRICT"));
  Proxy& callee = mesh.start("db-1", count);
  mesh.start("web-1", {.workers = count, .outbound_tcp = "127.0.0.1"});
  const std::string sent = pattern(4 << 20);
  Wire client = connect_to("127.0.0.1", db.called);
  std::thread sender([&] {
    for (size_t at = 0; at < sent.size(); at += 65536)
      if (!client.send(std::string_view(sent).substr(at, 65536))) return;
    client.shutdown_write();
  });
  const std::string got = read_some(client, sent.size(), 30000);
  sender.join();
  CHECK(got == sent);
  // The end of one direction came as such, and the other's behind it.
  CHECK(client.read_all().empty());
  CHECK_FALSE(client.was_reset());
  CHECK(support::wait_for([&] { return callee.connections() == 0; }));
  CHECK(db.application.connections() == 1);
}

TEST_CASE("mesh: inbound TCP under PERMISSIVE takes clear text, under STRICT it does not",
          "[forwarder]") {
  const uint32_t count = workers();
  const Database db;
  Mesh mesh(db.yaml("PERMISSIVE"));
  mesh.start("db-1", count);
  mesh.start("web-1", {.workers = count, .outbound_tcp = "127.0.0.1"});
  const auto echoes = [](uint16_t port) {
    Wire client = connect_to("127.0.0.1", port);
    return client.send("hello") && read_some(client, 5, 5000) == "hello";
  };
  CHECK(echoes(db.called));
  CHECK(echoes(db.port));
  Wire before = connect_to("127.0.0.1", db.port);
  REQUIRE(before.send("early"));
  REQUIRE(read_some(before, 5) == "early");
  mesh.apply(db.yaml("STRICT"));
  CHECK(echoes(db.called));
  Wire plain = connect_to("127.0.0.1", db.port);
  plain.send("hello");
  CHECK(plain.closed());
  // What was open stays so: only a new connection is under the new policy.
  CHECK(before.send("later"));
  CHECK(read_some(before, 5) == "later");
  mesh.apply(db.yaml("DISABLE"));
  CHECK(echoes(db.called));
  CHECK(echoes(db.port));
}

TEST_CASE("mesh: a server that speaks first does so through two forwarders", "[forwarder]") {
  const Database db([](Wire& wire) {
    wire.send("220 ready\r\n");
    TcpOrigin::echo(wire);
  });
  Mesh mesh(db.yaml("STRICT"));
  mesh.start("db-1");
  mesh.start("web-1", {.outbound_tcp = "127.0.0.1"});
  Wire client = connect_to("127.0.0.1", db.called);
  CHECK(read_some(client, 11) == "220 ready\r\n");
  REQUIRE(client.send("quit"));
  CHECK(read_some(client, 4) == "quit");
  client.shutdown_write();
  CHECK(client.read_all().empty());
}
