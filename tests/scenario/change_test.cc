// Configuration that changes and a process that ends, under load: nothing is lost.
#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "scenario/load.h"
#include "scenario/proxy.h"
#include "support/http_peer.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using support::Message;
using support::Origin;
using support::Wire;

TEST_CASE("scenario: clusters, routes and listeners change under load", "[forwarder]") {
  const uint32_t count = workers();
  Origin a("a");
  Origin b("b");
  const std::string first = Front{.endpoints = ports({a.port()})}.yaml();
  const std::string second = Front{.endpoints = ports({a.port(), b.port()})}.yaml();
  const std::string third = Front{.route = R"(
              - match: { prefix: "/" }
                route: { cluster: svc, timeout: 5s })",
                                  .endpoints = ports({b.port()})}
                                .yaml();
  Proxy proxy(first, count);
  const uint16_t port = proxy.port();
  Load load(port, 4);
  for (int round = 0; round < 6; ++round) {
    for (const std::string* next : {&second, &third, &first}) {
      CHECK(proxy.apply(*next) == "");
      const size_t before = load.answered();
      REQUIRE(support::wait_for([&] { return load.answered() > before + 20; }));
    }
  }
  load.stop();
  CHECK(load.lost() == 0);
  CHECK(b.requests() > 0);
  CHECK(proxy.port() == port);  // the socket outlives its settings
}

namespace {

// Front's YAML with a second listener "side" and a cluster of its own for it.
std::string with_side(const std::string& yaml, uint16_t origin) {
  const auto front = yaml.find("  - name: front");
  const auto clusters = yaml.find("  clusters:");
  std::string listener = yaml.substr(front, clusters - front);
  const std::string aside = Front{.endpoints = ports({origin})}.yaml();
  std::string cluster = aside.substr(aside.find("  - name: svc"));
  const auto replace = [](std::string& in, const std::string& from, const std::string& to) {
    for (size_t at = 0; (at = in.find(from, at)) != std::string::npos; at += to.size())
      in.replace(at, from.size(), to);
  };
  replace(listener, "name: front", "name: side");
  replace(listener, "cluster: svc", "cluster: aside");
  replace(cluster, "name: svc", "name: aside");
  replace(cluster, "cluster_name: svc", "cluster_name: aside");
  std::string out = yaml;
  out.insert(clusters, listener);
  return out + cluster;
}

}  // namespace

TEST_CASE("scenario: listeners and clusters come and go under load, and reset nobody",
          "[forwarder]") {
  const uint32_t count = workers();
  Origin a("a");
  Origin b("b");
  std::atomic<bool> go{false};
  b.handle([&](const Message& request, Wire& wire) {
    if (request.start.find("/slow") != std::string::npos)
      support::wait_for([&] { return go.load(); });
    return wire.send(support::response(200, "b"));
  });
  const std::string without = Front{.endpoints = ports({a.port()})}.yaml();
  const std::string with = with_side(without, b.port());
  Proxy proxy(without, count);
  Load load(proxy.port(), 4);
  for (int round = 0; round < 4; ++round) {
    go = false;
    REQUIRE(proxy.apply(with) == "");
    const uint16_t side = proxy.port("side");
    REQUIRE(side != 0);
    const size_t before = b.requests();
    std::vector<Wire> waiting, idle;
    for (int i = 0; i < 8; ++i) {
      waiting.push_back(Wire::connect(side));
      waiting.back().send("GET /slow HTTP/1.1\r\nhost: svc\r\n\r\n");
      idle.push_back(Wire::connect(side));
      idle.back().send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n");
      REQUIRE(idle.back().read().status == 200);
    }
    REQUIRE(support::wait_for([&] { return b.requests() >= before + 16; }));
    // These connected, and nobody has taken them from the queue yet, perhaps.
    std::vector<Wire> late;
    for (int i = 0; i < 8; ++i) {
      late.push_back(Wire::connect(side));
      late.back().send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n");
    }
    REQUIRE(proxy.apply(without) == "");
    CHECK(support::wait_for([&] { return !Wire::try_connect(side).has_value(); }));
    go = true;
    for (auto* group : {&waiting, &late}) {
      for (Wire& wire : *group) {
        const Message answer = wire.read();
        CHECK(answer.status == 200);
        CHECK(answer.body == "b");
      }
    }
    // An idle one is answered once more, with a goodbye.
    for (Wire& wire : idle) {
      wire.send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n");
      const Message answer = wire.read();
      CHECK(answer.status == 200);
      CHECK(answer.field("connection") == "close");
    }
  }
  load.stop();
  CHECK(load.answered() > 100);
  CHECK(load.lost() == 0);
}

TEST_CASE("scenario: a listener whose port is taken is tried again, and the others serve",
          "[forwarder]") {
  Origin a("a");
  Origin b("b");
  uint16_t taken = 0;
  UniqueFd other = support::mute_listener(taken);
  const std::string front = Front{.endpoints = ports({a.port()})}.yaml();
  std::string yaml = with_side(front, b.port());
  const std::string zero = "port_value: 0";
  yaml.replace(yaml.find(zero, yaml.find("name: side")), zero.size(),
               "port_value: " + std::to_string(taken));
  Proxy proxy(front, 2);
  proxy.run([](forward::Forwarder& f) { f.tolerate_taken_addresses(); });
  REQUIRE(proxy.apply(yaml) == "");
  CHECK(support::get(proxy.port()).body == "a");
  std::map<std::string, std::string> left_out;
  proxy.run([&](forward::Forwarder& f) { left_out = f.listeners_left_out(); });
  REQUIRE(left_out.contains("side"));
  CHECK_THAT(left_out["side"], Catch::Contains("Address already in use"));
  other.reset();
  CHECK(support::wait_for([&] { return proxy.port("side") == taken; }));
  CHECK(support::wait_for([&] { return support::get(taken).body == "b"; }));
}

TEST_CASE("scenario: few long connections are spread over the workers", "[forwarder]") {
  Origin a("a");
  Proxy proxy(Front{.endpoints = ports({a.port()})}.yaml(), 2);
  const uint16_t port = proxy.port();
  // As few as there are between two forwarders: the preface, and they stay.
  std::vector<Wire> held;
  for (int i = 0; i < 4; ++i) {
    held.push_back(Wire::connect(port));
    held.back().send(std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") +
                     std::string("\0\0\0\4\0\0\0\0\0", 9));
    REQUIRE(support::wait_for([&] { return proxy.connections() == size_t(i) + 1; }));
  }
  std::vector<size_t> loads;
  CHECK(support::wait_for([&] {
    proxy.run([&](forward::Forwarder& f) { loads = f.loads(); });
    return loads == std::vector<size_t>{2, 2};
  }));
}

TEST_CASE("scenario: a connection is counted once, also while it is handed to another worker",
          "[forwarder]") {
  Origin a("a");
  Proxy proxy(Front{.endpoints = ports({a.port()})}.yaml(), 2);
  const uint16_t port = proxy.port();
  constexpr size_t kAll = 200;
  std::atomic<size_t> made{0};
  std::vector<Wire> held;
  std::thread clients([&] {
    while (made < kAll) {
      ++made;  // before it can be counted
      held.push_back(Wire::connect(port));
    }
  });
  size_t most_over = 0;
  proxy.run([&](forward::Forwarder& f) {
    support::wait_for([&] {
      // Often between two looks at whether it is over.
      for (int i = 0; i < 10000; ++i) {
        const size_t counted = f.connections();
        const size_t begun = made;
        if (counted > begun) most_over = std::max(most_over, counted - begun);
      }
      return f.connections() == kAll;
    });
  });
  clients.join();
  CHECK(most_over == 0);
  CHECK(proxy.connections() == kAll);
}

TEST_CASE("scenario: connections to an endpoint outlive changes around it", "[forwarder]") {
  Origin a("a");
  Origin b("b");
  const auto yaml = [&](const std::string& more, std::initializer_list<uint16_t> endpoints) {
    return Front{
        .route = R"(
              - match: { prefix: "/" }
                route: { cluster: svc)" +
                 more + " }",
        .endpoints = ports(endpoints),
        .cluster = "\n    lb_policy: " + std::string(more.empty() ? "RANDOM" : "ROUND_ROBIN")}
        .yaml();
  };
  Proxy proxy(yaml("", {a.port()}), 1);
  const auto ask = [&] { return support::get(proxy.port()).body; };
  CHECK(ask() == "a");
  for (int round = 0; round < 5; ++round) {
    REQUIRE(proxy.apply(yaml(", timeout: 5s", {a.port(), b.port()})) == "");
    CHECK(!ask().empty());
    CHECK(!ask().empty());
    REQUIRE(proxy.apply(yaml("", {a.port()})) == "");
    CHECK(ask() == "a");
  }
  CHECK(a.connections() == 1);
}

TEST_CASE("scenario: a configuration that cannot be is refused, traffic goes on", "[forwarder]") {
  Origin a("a");
  const std::string good = Front{.endpoints = ports({a.port()})}.yaml();
  Proxy proxy(good, 1);
  std::string taken = good;
  const std::string zero = "port_value: 0";
  taken.replace(taken.find(zero), zero.size(), "port_value: " + std::to_string(a.port()));
  CHECK(proxy.apply(taken).find(std::to_string(a.port())) != std::string::npos);
  CHECK(support::get(proxy.port()).status == 200);
}

TEST_CASE("scenario: draining finishes what was begun and takes nothing new", "[forwarder]") {
  const uint32_t count = workers();
  Origin slow("slow");
  std::atomic<bool> go{false};
  slow.handle([&](const Message&, Wire& wire) {
    support::wait_for([&] { return go.load(); });
    return wire.send(support::response(200, "slow"));
  });
  Proxy proxy(Front{.endpoints = ports({slow.port()})}.yaml(), count);
  const uint16_t port = proxy.port();
  Wire client = Wire::connect(port);
  client.send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n");
  REQUIRE(support::wait_for([&] { return slow.requests() == 1; }));
  std::thread later([&] {
    support::wait_for([&] { return !Wire::try_connect(port).has_value(); });
    go = true;
  });
  CHECK(proxy.drain(std::chrono::seconds(10)));
  later.join();
  const Message answer = client.read();
  CHECK(answer.status == 200);
  CHECK(answer.field("connection") == "close");
  CHECK(client.closed());
}

TEST_CASE("scenario: a drain that cannot finish ends at its deadline", "[forwarder]") {
  Origin slow("slow");
  slow.handle([&](const Message&, Wire& wire) { return !wire.closed(10000); });
  Proxy proxy(Front{.endpoints = ports({slow.port()})}.yaml(), 1);
  Wire client = Wire::connect(proxy.port());
  client.send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n");
  REQUIRE(support::wait_for([&] { return slow.requests() == 1; }));
  CHECK(proxy.drain(std::chrono::milliseconds(200)));
  CHECK(client.closed());
}
