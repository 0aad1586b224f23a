// Active health checks: who is asked, what an answer makes of a host, what survives.
#include <catch2/catch.hpp>

#include "base/file.h"
#include "scenario/proxy.h"
#include "support/http_peer.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using namespace std::string_literals;
using support::Message;
using support::Origin;
using support::Wire;

namespace {

std::string checks(const std::string& checker, const std::string& more = "") {
  return R"(
    common_lb_config: { healthy_panic_threshold: { value: 0 } }
    health_checks:
    - timeout: 1s
      interval: 0.03s
      no_traffic_interval: 0.03s
      unhealthy_threshold: 2
      healthy_threshold: 2)" +
         more + R"(
      )" +
         checker;
}
const std::string kHttp = "http_health_check: { path: /healthz, host: check.me }";

// Answers checks with `health`, everything else with its name.
struct Checked {
  explicit Checked(const std::string& name) : origin(name) {
    origin.handle([this, name](const Message& request, Wire& wire) {
      if (!request.start.starts_with("GET /healthz ")) {
        ++requests;
        return wire.send(support::response(200, name));
      }
      ++checks;
      if (request.field("host") != "check.me" || request.field("user-agent") != "Envoy/HC")
        return wire.send(support::response(418, "who asks?"));
      return wire.send(support::response(health, ""));
    });
  }
  std::atomic<int> health{200};
  std::atomic<int> checks{0};
  std::atomic<int> requests{0};
  Origin origin;
  uint16_t port() const { return origin.port(); }
};

// Twenty answers in a row come from `name` alone.
bool only(Proxy& proxy, const std::string& name) {
  for (int i = 0; i < 20; ++i)
    if (support::get(proxy.port()).body != name) return false;
  return true;
}

}  // namespace

TEST_CASE("scenario: a host that fails its checks gets nothing until it is well", "[forwarder]") {
  const uint32_t count = workers();
  Checked a("a"), b("b");
  Proxy proxy(Front{.endpoints = ports({a.port(), b.port()}), .cluster = checks(kHttp)}.yaml(),
              count);
  REQUIRE(support::wait_for([&] { return support::get(proxy.port()).status == 200; }));
  a.health = 503;
  REQUIRE(support::wait_for([&] { return only(proxy, "b"); }));
  a.health = 200;
  CHECK(support::wait_for([&] { return support::get(proxy.port()).body == "a"; }));
}

TEST_CASE("scenario: hosts begin failed; the first good check is enough", "[forwarder]") {
  Checked a("a");
  a.health = 500;
  Proxy proxy(Front{.endpoints = ports({a.port()}), .cluster = checks(kHttp)}.yaml(), 1);
  CHECK(support::get(proxy.port()).status == 503);
  CHECK(support::get(proxy.port()).status == 503);
  CHECK(a.requests == 0);
  a.health = 200;
  CHECK(support::wait_for([&] { return support::get(proxy.port()).status == 200; }));
}

TEST_CASE("scenario: where all have failed, panic uses all, and no panic nobody", "[forwarder]") {
  const uint32_t count = workers();
  Checked a("a"), b("b");
  a.health = b.health = 503;
  std::string cluster = checks(kHttp);
  const bool panic = GENERATE(false, true);
  if (panic) {
    const std::string none = "{ value: 0 }";
    cluster.replace(cluster.find(none), none.size(), "{ value: 50 }");
  }
  Proxy proxy(Front{.endpoints = ports({a.port(), b.port()}), .cluster = cluster}.yaml(), count);
  REQUIRE(support::wait_for([&] { return a.checks >= 3 && b.checks >= 3; }));
  for (int i = 0; i < 10; ++i) CHECK(support::get(proxy.port()).status == (panic ? 200 : 503));
  CHECK((a.requests + b.requests) == (panic ? 10 : 0));
}

TEST_CASE("scenario: an answer may fail its host at once", "[forwarder]") {
  const uint32_t count = workers();
  Checked a("a"), b("b");
  std::atomic<bool> leaving{false};
  a.origin.handle([&](const Message& request, Wire& wire) {
    const bool check = request.start.starts_with("GET /healthz ");
    if (!check) ++a.requests;
    if (leaving)
      return wire.send(support::response(check ? 503 : 200, "a",
                                         "x-envoy-immediate-health-check-fail: true\r\n"));
    return wire.send(support::response(200, "a"));
  });
  Proxy proxy(Front{.endpoints = ports({a.port(), b.port()}),
                    .cluster = checks(kHttp, "\n      healthy_edge_interval: 0.05s")}
                  .yaml(),
              count);
  REQUIRE(support::wait_for([&] { return support::get(proxy.port()).body == "a"; }));
  leaving = true;
  REQUIRE(support::wait_for([&] { return only(proxy, "b"); }));
}

TEST_CASE("scenario: TCP checks send bytes and look for others in the answer", "[forwarder]") {
  Origin a("a");
  Proxy proxy(
      Front{.endpoints = ports({a.port(), support::unused_port()}),
            // "GET / HTTP/1.1\r\nhost: x\r\n\r\n"; "200" and then "a"
            .cluster = checks("tcp_health_check: { send: { text: "
                              "\"474554202f20485454502f312e310d0a686f73743a20780d0a0d0a\" }, "
                              "receive: [ { text: \"323030\" }, { text: \"61\" } ] }")}
          .yaml(),
      1);
  REQUIRE(support::wait_for([&] { return support::get(proxy.port()).status == 200; }));
  CHECK(only(proxy, "a"));
  a.always(503);
  CHECK(support::wait_for([&] { return support::get(proxy.port()).body != "a"; }));
  a.always(200);
  CHECK(support::wait_for([&] { return support::get(proxy.port()).body == "a"; }));
}

TEST_CASE("scenario: a TCP check without bytes only connects", "[forwarder]") {
  Origin a("a");
  Proxy proxy(Front{.endpoints = ports({a.port(), support::unused_port()}),
                    .cluster = checks("tcp_health_check: {}")}
                  .yaml(),
              1);
  REQUIRE(support::wait_for([&] { return support::get(proxy.port()).status == 200; }));
  CHECK(only(proxy, "a"));
}

TEST_CASE("scenario: events of health go to a file, a line of JSON each", "[forwarder]") {
  support::TempDir folder;
  const std::string path = folder.file("events");
  Checked a("a");
  Proxy proxy(Front{.endpoints = ports({a.port()}),
                    .cluster = checks(kHttp, "\n      event_log_path: " + path)}
                  .yaml(),
              1);
  const auto text = [&] {
    const auto read = file::read(path, 1 << 20);
    return read ? *read : std::string();
  };
  const auto has = [&](const std::string& what) {
    return support::wait_for([&] { return text().find(what) != std::string::npos; });
  };
  REQUIRE(has("\"add_healthy_event\":{\"first_check\":true}"));
  a.health = 500;
  REQUIRE(has("\"eject_unhealthy_event\":{\"failure_type\":\"ACTIVE\"}"));
  a.health = 200;
  REQUIRE(has("\"add_healthy_event\":{},"));
  CHECK(text().starts_with(R"({"health_checker_type":"HTTP","host":{"socket_address":{"protocol":)"
                           R"("TCP","address":"127.0.0.1","port_value":)" +
                           std::to_string(a.port()) + R"(}},"cluster_name":"svc",)"));
}

TEST_CASE("scenario: health survives changes of configuration", "[forwarder]") {
  const uint32_t count = workers();
  Checked a("a"), b("b");
  const auto yaml = [&](const std::string& more) {
    return Front{.endpoints = ports({a.port(), b.port()}), .cluster = checks(kHttp, more)}.yaml();
  };
  Proxy proxy(yaml(""), count);
  a.health = 503;
  REQUIRE(support::wait_for([&] { return only(proxy, "b"); }));
  // The next check of `a` is far away: only what is remembered keeps it out.
  const std::string slow =
      "\n      unhealthy_interval: 3600s\n      no_traffic_healthy_interval: 3600s";
  for (int i = 0; i < 3; ++i) {
    REQUIRE(proxy.apply(yaml(slow + "\n      initial_jitter: " + std::to_string(i) + "s")) == "");
    CHECK(only(proxy, "b"));
  }
}

TEST_CASE("scenario: a changed cluster is used once its hosts were checked, the former until then",
          "[forwarder]") {
  const uint32_t count = workers();
  Origin former("former");
  Checked fresh("fresh");
  std::atomic<bool> go{false};
  fresh.origin.handle([&](const Message& request, Wire& wire) {
    if (request.start.starts_with("GET /healthz ")) {
      ++fresh.checks;
      support::wait_for([&] { return go.load(); });
    }
    return wire.send(support::response(200, "fresh"));
  });
  std::string next = Front{.endpoints = ports({fresh.port()}), .cluster = checks(kHttp)}.yaml();
  const auto give = [&](const std::string& to) {
    next.replace(next.find("timeout: 1s"), 11, "timeout: " + to);
  };
  Proxy proxy(Front{.endpoints = ports({former.port()})}.yaml(), count,
              {.longest = std::chrono::minutes(5)});
  SECTION("as soon as the answer is there") {
    give("9s");
    CHECK(proxy.apply(next) == "");
    CHECK(support::wait_for([&] { return fresh.checks == 1; }));
    CHECK(only(proxy, "former"));
    go = true;
    CHECK(support::wait_for([&] { return support::get(proxy.port()).body == "fresh"; }));
    CHECK(only(proxy, "fresh"));
  }
  SECTION("a check that fails has looked as well") {
    give("0.1s");
    CHECK(proxy.apply(next) == "");
    CHECK(support::wait_for([&] { return support::get(proxy.port()).status == 503; }));
    go = true;
    CHECK(support::wait_for([&] { return support::get(proxy.port()).body == "fresh"; }));
  }
  SECTION("what follows while it waits replaces it") {
    give("9s");
    CHECK(proxy.apply(next) == "");
    CHECK(support::wait_for([&] { return fresh.checks == 1; }));
    CHECK(
        proxy.apply(Front{.endpoints = ports({former.port()}), .cluster = "\n    lb_policy: RANDOM"}
                        .yaml()) == "");
    CHECK(only(proxy, "former"));
    go = true;
    CHECK(only(proxy, "former"));
  }
}

TEST_CASE("scenario: a cluster is not waited for for ever", "[forwarder]") {
  uint16_t mute = 0;
  const UniqueFd listening = support::mute_listener(mute);
  Origin former("former");
  Proxy proxy(Front{.endpoints = ports({former.port()})}.yaml(), 1);
  std::string next = Front{.endpoints = ports({mute}), .cluster = checks(kHttp)}.yaml();
  next.replace(next.find("timeout: 1s"), 11, "timeout: 60s");
  CHECK(proxy.apply(next) == "");
  CHECK(support::wait_for([&] { return support::get(proxy.port()).status == 503; },
                          std::chrono::seconds(30)));
}
