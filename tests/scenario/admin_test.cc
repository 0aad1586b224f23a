// The administration pages: forwarder(8), "ADMINISTRATION". A process on a
// bootstrap, asked over its socket.
#include <catch2/catch.hpp>

#include "scenario/proxy.h"
#include "scenario/standalone.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using support::Message;
using support::Origin;
using support::Wire;

namespace {

bool contains(const Message& page, const std::string& text) {
  UNSCOPED_INFO(page.body);
  return page.body.find(text) != std::string::npos;
}

std::string with_secret(const std::string& yaml) {
  return yaml +
         "  secrets:\n"
         "  - name: own\n"
         "    tls_certificate:\n"
         "      certificate_chain: { inline_string: chain }\n"
         "      private_key: { inline_string: VERY-PRIVATE }\n";
}

}  // namespace

TEST_CASE("scenario: the admin pages say what is in use", "[forwarder]") {
  Origin a("a");
  Standalone alone(with_secret(Front{.endpoints = ports({a.port()})}.yaml()));
  const uint16_t front = alone.port();
  REQUIRE(front != 0);
  CHECK(support::get(front).body == "a");

  CHECK(alone.ask("/ready").body == "LIVE\n");
  const std::string host = "127.0.0.1:" + std::to_string(a.port());
  CHECK(contains(alone.ask("/clusters"), "svc::" + host + "::health_flags::healthy\n"));
  CHECK(contains(alone.ask("/clusters?format=json"), "\"name\": \"svc\""));
  CHECK_FALSE(contains(alone.ask("/clusters?filter=^x"), "svc"));
  CHECK(contains(alone.ask("/listeners?format=json"), "\"port_value\": " + std::to_string(front)));
  CHECK(contains(alone.ask("/server_info"), "\"state\": \"LIVE\""));
  CHECK(contains(alone.ask("/memory"), "\"total_physical_bytes\""));
  CHECK(contains(alone.ask("/certs"), "\"certificates\": []"));
  CHECK(contains(alone.ask("/runtime"), "\"entries\": {}"));

  const Message stats = alone.ask("/stats?usedonly");
  CHECK(contains(stats, "server.live: 1\n"));
  CHECK(contains(stats, "cluster.svc.membership_total: 1\n"));
  CHECK(contains(stats, "istio_requests_total.reporter.source."));
  CHECK_FALSE(contains(alone.ask("/stats?filter=^server"), "cluster.svc"));
  CHECK(contains(alone.ask("/stats?format=json&filter=server.live"), "\"name\": \"server.live\""));
  CHECK(contains(alone.ask("/stats/prometheus"), "\nistio_requests_total{reporter=\"source\""));
  CHECK(contains(alone.ask("/stats?format=prometheus"), "\nenvoy_server_live 1\n"));
  CHECK(alone.ask("/stats?filter=((").status == 400);
  CHECK(alone.ask("/stats?format=x").status == 400);
}

TEST_CASE("scenario: /config_dump is the configuration without its secrets", "[forwarder]") {
  Origin a("a");
  Standalone alone(with_secret(Front{.endpoints = ports({a.port()})}.yaml()));
  const Message dump = alone.ask("/config_dump");
  CHECK(dump.field("content-type") == "application/json");
  for (const char* const part :
       {"BootstrapConfigDump", "\"static_clusters\"", "\"static_listeners\"",
        "\"static_route_configs\"", "\"static_secrets\"", "\"stat_prefix\":\"front\""})
    CHECK(contains(dump, part));
  CHECK(dump.body.find("VERY-PRIVATE") == std::string::npos);
  CHECK(contains(dump, "[redacted]"));
  const Message clusters = alone.ask("/config_dump?resource=static_clusters");
  CHECK(contains(clusters, "ClustersConfigDump.StaticCluster"));
  CHECK_FALSE(contains(clusters, "stat_prefix"));
  CHECK_FALSE(contains(alone.ask("/config_dump?name_regex=^none$"), "\"static_clusters\""));
  CHECK(contains(alone.ask("/config_dump?include_eds"), "EndpointsConfigDump"));
  CHECK(alone.ask("/config_dump?resource=nope").status == 404);
  CHECK(alone.ask("/config_dump?mask=x").status == 400);
}

TEST_CASE("scenario: the admin server changes only by POST, and lists what it has", "[forwarder]") {
  Origin a("a");
  Standalone alone(Front{.endpoints = ports({a.port()})}.yaml());
  const Message lost = alone.ask("/nope");
  CHECK(lost.status == 404);
  CHECK(contains(lost, "/drain_listeners (POST): "));
  CHECK(contains(alone.ask("/help"), "/stats/prometheus: "));
  CHECK(alone.ask("/logging").status == 405);
  CHECK(alone.ask("/ready", "POST").status == 405);
  CHECK(contains(alone.ask("/logging?level=debug", "POST"), "forwarder: debug"));
  CHECK(contains(alone.ask("/logging?paths=forwarder:warning", "POST"), "forwarder: warning"));
  CHECK(alone.ask("/logging?level=loud", "POST").status == 400);
  CHECK(alone.ask("/reset_counters", "POST").status == 501);

  CHECK(alone.ask("/healthcheck/fail", "POST").body == "OK\n");
  CHECK(alone.ask("/ready").status == 503);
  CHECK(alone.ask("/ready").body == "DRAINING\n");
  CHECK(alone.ask("/healthcheck/ok", "POST").body == "OK\n");
  CHECK(alone.ask("/ready").status == 200);

  CHECK(alone.ask("/quitquitquit", "POST").body == "OK\n");
  CHECK(alone.process().wait_exit() == 0);
}

TEST_CASE("scenario: /drain_listeners ends connections in order, and the process stays",
          "[forwarder]") {
  Origin a("a");
  Standalone alone(Front{.endpoints = ports({a.port()})}.yaml());
  const uint16_t front = alone.port();
  Wire idle = Wire::connect(front);
  idle.send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n");
  REQUIRE(idle.read().status == 200);
  // It has no inbound listener.
  CHECK(alone.ask("/drain_listeners?inboundonly", "POST").status == 200);
  CHECK(alone.port() == front);
  CHECK(alone.ask("/drain_listeners", "POST").status == 200);
  CHECK(support::wait_for([&] { return !Wire::try_connect(front).has_value(); }));
  // One that is open is answered once more, with a goodbye.
  idle.send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n");
  const Message last = idle.read();
  CHECK(last.status == 200);
  CHECK(last.field("connection") == "close");
  CHECK(alone.ask("/listeners").body.empty());
  CHECK(alone.ask("/ready").status == 503);
  // No configuration opens them again.
  alone.replace(Front{.route = R"(
              - match: { prefix: "/x" }
                route: { cluster: svc })",
                      .endpoints = ports({a.port()})}
                    .yaml());
  CHECK(alone.process().wait_err("settings read anew"));
  CHECK_FALSE(Wire::try_connect(front).has_value());
}
