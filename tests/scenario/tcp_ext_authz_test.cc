// Authorizers that are asked about connections, from the YAML of policies to the wire:
// mesh-authorization(7).
#include <catch2/catch.hpp>

#include "base/file.h"
#include "envoy/service/auth/v3/external_auth.pb.h"
#include "scenario/mesh.h"
#include "support/grpc_origin.h"
#include "support/tcp_peer.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using support::connect_to;
using support::GrpcOrigin;
using support::read_some;
using support::TcpOrigin;
using support::Wire;

namespace {

std::string answer(int code) {
  envoy::service::auth::v3::CheckResponse answer;
  answer.mutable_status()->set_code(code);
  return answer.SerializeAsString();
}
const std::string kYes = answer(0);
const std::string kNo = answer(7);

// A database whose connections an authorizer decides of.
struct Database {
  explicit Database(uint32_t workers)
      : mesh(yaml("", "")),
        callee(mesh.start("db-1", {.workers = workers, .access_log = folder.file("log")})) {}

  // `more` of the provider; `only`: which connections are asked about.
  std::string yaml(const std::string& more, const std::string& only) const {
    return instance("web", "web-1", 9) + service("db", "TCP", called) +
           instance("db", "db-1", port, "", ", serviceAccount: db") +
           object("Sidecar", "db-1",
                  "{workloadSelector: {labels: {app: db}}, ingress: [{port: {number: " +
                      std::to_string(port) + ", protocol: TCP, name: tcp}, defaultEndpoint: '" +
                      "127.0.0.1:" + std::to_string(application.port()) + "'}]}") +
           service("opa", "GRPC") + instance("opa", "opa-1", authorizer.port()) +
           object("MeshConfig", "m",
                  "{extensionProviders: [{name: opa, envoyExtAuthzGrpc: {service: opa, port: 80" +
                      more + "}}]}") +
           "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p, "
           "namespace: demo}\nspec: {selector: {matchLabels: {app: db}}, action: CUSTOM, "
           "provider: {name: opa}, rules: [{" +
           only + "}]}\n";
  }
  void apply(const std::string& more, const std::string& only = "") {
    mesh.apply(yaml(more, only));
  }
  // Whether what is sent comes back; else the connection is closed, and nothing came.
  static bool echoes(uint16_t at) {
    Wire client = connect_to("127.0.0.1", at);
    client.send("hello");
    const std::string got = read_some(client, 5);
    CHECK((got == "hello" || (got.empty() && client.closed())));
    return got == "hello";
  }
  uint64_t count(const std::string& result) {
    uint64_t sum = 0;
    callee.run([&](forward::Forwarder& forwarder) {
      telemetry::Snapshot all;
      forwarder.collect(all);
      for (const auto& [key, value] : all.numbers)
        for (const auto& [name, label] : key.labels)
          if (key.name == "mesh_ext_authz_requests_total" && name == "result" && label == result)
            sum += value;
    });
    return sum;
  }
  bool log_has(const std::string& text) const {
    return support::wait_for([&] {
      const auto log = file::read(folder.file("log"), 1U << 20);
      return log && log->find(text) != std::string::npos;
    });
  }

  support::TempDir folder;
  TcpOrigin application;
  GrpcOrigin authorizer{[](const std::string&) { return kYes; }};
  const uint16_t port = support::unused_port();    // where its forwarder listens
  const uint16_t called = support::unused_port();  // the service's, at the caller's forwarder
  Mesh mesh;
  Proxy& callee;
};

}  // namespace

TEST_CASE("tcp ext_authz: a connection is asked about before the upstream hears of it",
          "[forwarder]") {
  const uint32_t count = workers();
  Database db(count);
  envoy::service::auth::v3::CheckRequest last;
  db.authorizer.handle([&](const std::string& bytes) {
    last.ParseFromString(bytes);
    return kYes;
  });
  CHECK(Database::echoes(db.port));
  CHECK(db.authorizer.calls() == 1);
  auto told = last.attributes();
  CHECK(told.source().address().socket_address().address() == "127.0.0.1");
  CHECK(told.source().principal().empty());
  CHECK(told.destination().address().socket_address().port_value() == db.port);
  CHECK_FALSE(told.has_request());
  CHECK(db.count("ok") == 1);

  // Who is known by a certificate is told.
  db.mesh.start("web-1", {.workers = count, .outbound_tcp = "127.0.0.1"});
  CHECK(Database::echoes(db.called));
  told = last.attributes();
  CHECK(told.source().principal() == "spiffe://cluster.local/ns/demo/sa/web");
  CHECK(told.destination().principal() == "spiffe://cluster.local/ns/demo/sa/db");

  db.authorizer.handle([](const std::string&) { return kNo; });
  CHECK_FALSE(Database::echoes(db.port));
  CHECK(db.count("denied") == 1);
  CHECK(db.log_has("UAEX"));
  CHECK(db.log_has("ext_authz_denied"));
  CHECK(db.application.connections() == 2);
}

TEST_CASE("tcp ext_authz: only what a rule matches is asked about", "[forwarder]") {
  const uint32_t count = workers();
  Database db(count);
  db.authorizer.handle([](const std::string&) { return kNo; });
  db.apply("", "when: [{key: destination.port, values: ['1']}]");
  CHECK(Database::echoes(db.port));
  CHECK(db.authorizer.calls() == 0);
  CHECK(db.count("disabled") == 1);
  // What only requests have is left out of the question.
  db.apply("", "to: [{operation: {methods: [GET]}}]");
  CHECK_FALSE(Database::echoes(db.port));
  CHECK(db.authorizer.calls() == 1);
}

TEST_CASE("tcp ext_authz: an authorizer that fails, or is silent", "[forwarder]") {
  const uint32_t count = workers();
  Database db(count);
  db.authorizer.handle([](const std::string&) { return std::optional<std::string>(); });
  CHECK_FALSE(Database::echoes(db.port));
  CHECK(db.count("error") == 1);
  CHECK(db.log_has("ext_authz_error"));
  db.apply(", failOpen: true");
  CHECK(Database::echoes(db.port));
  CHECK(db.count("failure_mode_allowed") == 1);
  db.authorizer.fall_silent();
  db.apply(", timeout: 0.1s");
  CHECK_FALSE(Database::echoes(db.port));
  db.apply(", timeout: 0.1s, failOpen: true");
  CHECK(Database::echoes(db.port));
  CHECK(db.application.connections() == 2);
}

TEST_CASE("tcp ext_authz: a client that leaves takes its question along", "[forwarder]") {
  const uint32_t count = workers();
  Database db(count);
  db.authorizer.fall_silent();
  {
    Wire client = connect_to("127.0.0.1", db.port);
    client.send("hello");  // of a silent one it is not known whether it speaks TLS
    REQUIRE(support::wait_for([&] { return db.authorizer.calls() == 1; }));
    client.reset();
  }
  CHECK(support::wait_for([&] { return db.authorizer.resets() == 1; }));
  CHECK(support::wait_for([&] { return db.callee.connections() == 0; }));
  CHECK(db.application.connections() == 0);
}
