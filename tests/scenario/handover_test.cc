// Listening sockets that come from elsewhere: forwarder(8), "TAKING OVER".
#include <netinet/in.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <csignal>

#include "scenario/load.h"
#include "scenario/proxy.h"
#include "scenario/standalone.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using support::Origin;
using support::Wire;

namespace {

// A listening socket that a child inherits.
UniqueFd listening(uint16_t& port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::listen(fd.get(), 64) == 0);
  REQUIRE(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port = ntohs(address.sin_port);
  return fd;
}

}  // namespace

TEST_CASE("scenario: a successor takes the listeners over under load and nothing is lost",
          "[forwarder]") {
  const char* const workers = GENERATE("1", "2");
  Origin a("a");
  const support::TempDir folder;
  Standalone alone(
      Front{.endpoints = ports({a.port()})}.yaml(),
      {"--concurrency", workers, "--takeover", folder.file("next"), "--drain-time-s", "20"});
  const uint16_t port = alone.port();
  REQUIRE(port != 0);
  Load load(port, 4);
  REQUIRE(support::wait_for([&] { return load.answered() > 50; }));
  // Twice: who took over can be followed as well.
  for (int round = 0; round < 2; ++round) {
    const auto former = alone.succeed();
    CHECK(former->wait_exit(std::chrono::seconds(20)) == 0);
    INFO(former->err());
    const size_t before = load.answered();
    REQUIRE(support::wait_for([&] { return load.answered() > before + 50; }));
    CHECK(alone.port() == port);
  }
  load.stop();
  CHECK(load.lost() == 0);
}

TEST_CASE("scenario: a successor that cannot serve changes nothing", "[forwarder]") {
  Origin a("a");
  const support::TempDir folder;
  const std::string good = Front{.endpoints = ports({a.port()})}.yaml();
  Standalone alone(good, {"--concurrency", "1", "--takeover", folder.file("next")});
  const uint16_t port = alone.port();
  folder.write("bad.yaml", "static_resources: { listeners: [{ name: x }] }\n");
  const auto ran = support::run({support::program("forwarder"), "-c", folder.file("bad.yaml"),
                                 "--user", "root", "--takeover", folder.file("next")});
  CHECK(ran.status == 78);
  CHECK(support::get(port).status == 200);
  CHECK(alone.process().running());
}

TEST_CASE("scenario: --restart-epoch over 0 needs a predecessor", "[forwarder]") {
  const support::TempDir folder;
  const auto file = folder.write("b.yaml", Front{.endpoints = ports({1})}.yaml());
  const auto ran = support::run({support::program("forwarder"), "-c", file, "--user", "root",
                                 "--base-id", "77", "--restart-epoch", "1"});
  CHECK(ran.status != 0);
  CHECK(ran.err.find("nobody hands over at @mesh-forwarder-") != std::string::npos);
}

TEST_CASE("scenario: listeners come from LISTEN_FDS and outlive the process", "[forwarder]") {
  Origin a("a");
  uint16_t port = 0;
  const UniqueFd socket = listening(port);
  std::string yaml = Front{.endpoints = ports({a.port()})}.yaml();
  const std::string zero = "port_value: 0";
  yaml.replace(yaml.find(zero), zero.size(), "port_value: " + std::to_string(port));
  const std::vector<std::string> wrapper = {"sh", "-c",
                                            "exec 3<&" + std::to_string(socket.get()) +
                                                "; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"",
                                            "sh"};
  std::optional<Wire> early;
  {
    Standalone alone(yaml, {"--concurrency", "2"}, wrapper);
    CHECK(support::get(port).body == "a");
    CHECK(alone.port() == port);
    // The manager keeps the socket: while we end, clients wait and are not refused.
    alone.process().signal(SIGTERM);
    CHECK(alone.process().wait_exit() == 0);
    early = Wire::try_connect(port);
    REQUIRE(early);
    REQUIRE(early->send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n"));
  }
  Standalone next(yaml, {"--concurrency", "1"}, wrapper);
  CHECK(early->read().body == "a");
}

TEST_CASE("scenario: names of STRICT_DNS and LOGICAL_DNS clusters are resolved", "[forwarder]") {
  const std::string type = GENERATE("STRICT_DNS", "LOGICAL_DNS");
  Origin a("a");
  std::string yaml = Front{.endpoints = ports({a.port()}),
                           .cluster =
                               "\n    dns_lookup_family: V4_ONLY"
                               "\n    dns_refresh_rate: 1s"}
                         .yaml();
  const auto replace = [&](const std::string& from, const std::string& to) {
    const size_t at = yaml.rfind(from);
    REQUIRE(at != std::string::npos);
    yaml.replace(at, from.size(), to);
  };
  replace("STATIC", type);
  replace("address: 127.0.0.1", "address: localhost");
  // In force means resolved: the first request is served.
  Proxy proxy(yaml, 1);
  CHECK(support::get(proxy.port()).body == "a");
}

TEST_CASE("scenario: a bootstrap that cannot be is refused by file, line and column",
          "[forwarder]") {
  struct Row {
    std::string from, to, says;
  };
  const auto row = GENERATE(values<Row>({
      {"stat_prefix: front", "stat_prefix: front\n          proxy_100_continue: true",
       "bootstrap.yaml:11:11: static_resources.listeners[0].filter_chains[0].filters[0]."
       "typed_config.proxy_100_continue: is not supported"},
      {"type: STATIC", "type: EDS", "bootstrap.yaml:26:5: static_resources.clusters[0]"},
      {"cluster: svc }", "cluster: other }", "bootstrap.yaml:3:5: listener front"},
  }));
  const support::TempDir folder;
  std::string yaml = Front{.endpoints = ports({1})}.yaml();
  yaml.replace(yaml.find(row.from), row.from.size(), row.to);
  const auto file = folder.write("bootstrap.yaml", yaml);
  const auto ran = support::run({support::program("forwarder"), "-c", file, "--mode", "validate"});
  CHECK(ran.status == 78);
  CHECK_THAT(ran.out + ran.err, Catch::Contains(row.says));
}
