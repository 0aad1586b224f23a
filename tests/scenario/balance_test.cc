// Which endpoint answers: shares, hashes, priorities, localities, sessions, changes.
#include <catch2/catch.hpp>
#include <map>

#include "scenario/proxy.h"
#include "support/http_peer.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using support::Message;
using support::Origin;
using support::Wire;

namespace {

// A LocalityLbEndpoints; `more` are its other fields, "" or ", priority: 1".
std::string group(std::initializer_list<const Origin*> origins, const std::string& more = "") {
  std::string out = "\n      - { lb_endpoints: [";
  for (const Origin* origin : origins)
    out += " { endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: " +
           std::to_string(origin->port()) + " } } } },";
  return out + " ]" + more + " }";
}

std::string groups(std::initializer_list<std::string> list, const std::string& policy = "") {
  std::string out = policy + "\n      endpoints:";
  for (const std::string& one : list) out += one;
  return out;
}

// Who answers `count` requests on one connection, each with `fields`.
std::map<std::string, int> ask(uint16_t port, int count, const std::string& fields = "",
                               const std::string& path = "/") {
  std::map<std::string, int> result;
  Wire wire = Wire::connect(port);
  for (int i = 0; i < count; ++i) {
    wire.send("GET " + path + " HTTP/1.1\r\nhost: svc\r\n" + fields + "\r\n");
    const Message answer = wire.read();
    ++result[answer.status == 200 ? answer.body : std::to_string(answer.status)];
  }
  return result;
}

// "name=value" of a Set-Cookie.
std::string pair_of(const std::string& set_cookie) {
  return set_cookie.substr(0, set_cookie.find(';'));
}

std::string hash_route(const std::string& policy) {
  return R"(
              - match: { prefix: "/" }
                route:
                  cluster: svc
                  hash_policy:)" +
         policy;
}

constexpr const char* kByUser = R"(
                  - header: { header_name: x-user })";

}  // namespace

TEST_CASE("scenario: every algorithm serves all endpoints", "[forwarder]") {
  const uint32_t count = workers();
  Origin a("a");
  Origin b("b");
  Origin c("c");
  for (const char* policy :
       {"lb_policy: ROUND_ROBIN", "lb_policy: RANDOM", "lb_policy: LEAST_REQUEST",
        "lb_policy: RING_HASH", "lb_policy: MAGLEV",
        "load_balancing_policy: { policies: [ { typed_extension_config: { name: all, typed_config: "
        "{ \"@type\": type.googleapis.com/envoy.extensions.load_balancing_policies.least_request"
        ".v3.LeastRequest, selection_method: FULL_SCAN } } } ] }",
        "load_balancing_policy: { policies: [ { typed_extension_config: { name: mod, typed_config: "
        "{ \"@type\": type.googleapis.com/mesh.xds.v1.ModuloHash } } } ] }"}) {
    CAPTURE(policy);
    Proxy proxy(Front{.endpoints = ports({a.port(), b.port(), c.port()}),
                      .cluster = std::string("\n    ") + policy}
                    .yaml(),
                count);
    const auto seen = ask(proxy.port(), 300);
    CHECK(seen.size() == 3);
    for (const auto& [name, n] : seen) CHECK(n > 40);
  }
}

TEST_CASE("scenario: a hash of a header, a query, an address keeps its endpoint", "[forwarder]") {
  const uint32_t count = workers();
  Origin a("a");
  Origin b("b");
  Origin c("c");
  const std::string endpoints = ports({a.port(), b.port(), c.port()});
  for (const char* policy : {"RING_HASH", "MAGLEV"}) {
    const std::string cluster = std::string("\n    lb_policy: ") + policy;
    Proxy proxy(
        Front{.route = hash_route(kByUser), .endpoints = endpoints, .cluster = cluster}.yaml(),
        count);
    std::map<std::string, int> hosts;
    for (int user = 0; user < 60; ++user) {
      const auto seen = ask(proxy.port(), 2, "x-user: u" + std::to_string(user) + "\r\n");
      CHECK(seen.size() == 1);
      ++hosts[seen.begin()->first];
    }
    CHECK(hosts.size() == 3);
    CHECK(ask(proxy.port(), 60).size() == 3);  // without a hash: chance
  }
  Proxy query(Front{.route = hash_route(R"(
                  - query_parameter: { name: id })"),
                    .endpoints = endpoints,
                    .cluster = "\n    lb_policy: MAGLEV"}
                  .yaml(),
              count);
  CHECK(ask(query.port(), 20, "", "/x?a=1&id=7").size() == 1);
  Proxy source(Front{.route = hash_route(R"(
                  - connection_properties: { source_ip: true })"),
                     .endpoints = endpoints,
                     .cluster = "\n    lb_policy: RING_HASH"}
                   .yaml(),
               count);
  std::map<std::string, int> hosts;
  for (int i = 0; i < 5; ++i)
    for (const auto& [name, n] : ask(source.port(), 4)) hosts[name] += n;
  CHECK(hosts.size() == 1);
}

TEST_CASE("scenario: a hash cookie is made once and keeps its endpoint", "[forwarder]") {
  const uint32_t count = workers();
  Origin a("a");
  Origin b("b");
  Origin c("c");
  Proxy proxy(Front{.route = hash_route(R"(
                  - cookie: { name: who, ttl: 60s, path: /shop })"),
                    .endpoints = ports({a.port(), b.port(), c.port()}),
                    .cluster = "\n    lb_policy: RING_HASH"}
                  .yaml(),
              count);
  const Message first = support::get(proxy.port());
  REQUIRE(first.status == 200);
  const std::string made = first.field("set-cookie");
  CHECK(made.starts_with("who=\""));
  CHECK(made.ends_with("\"; Max-Age=60; Path=/shop; HttpOnly"));
  for (int i = 0; i < 10; ++i) {
    const Message again =
        support::get(proxy.port(), "/", "svc", "cookie: x=1; " + pair_of(made) + "\r\n");
    CHECK(again.body == first.body);
    CHECK(again.field("set-cookie").empty());
  }
}

TEST_CASE("scenario: the second priority takes over when the first dies", "[forwarder]") {
  const uint32_t count = workers();
  Origin near("near");
  Origin far("far");
  Proxy proxy(Front{.cluster = R"(
    common_lb_config: { healthy_panic_threshold: { value: 0 } }
    outlier_detection: { consecutive_5xx: 2, interval: 10s, base_ejection_time: 60s, max_ejection_percent: 100 })",
                    .groups = groups({group({&near}), group({&far}, ", priority: 1")})}
                  .yaml(),
              count);
  CHECK(ask(proxy.port(), 20) == std::map<std::string, int>{{"near", 20}});
  near.always(503);
  REQUIRE(support::wait_for([&] { return ask(proxy.port(), 1).contains("far"); }));
  CHECK(ask(proxy.port(), 20) == std::map<std::string, int>{{"far", 20}});
}

TEST_CASE("scenario: localities get shares by their weights", "[forwarder]") {
  const uint32_t count = workers();
  Origin a("a");
  Origin b("b");
  Origin c("c");
  Proxy proxy(Front{.cluster = R"(
    common_lb_config: { locality_weighted_lb_config: {} })",
                    .groups = groups(
                        {group({&a, &b}, ", locality: { region: x }, load_balancing_weight: 1"),
                         group({&c}, ", locality: { region: y }, load_balancing_weight: 3")})}
                  .yaml(),
              count);
  auto seen = ask(proxy.port(), 400);
  CHECK(seen["c"] == Approx(300).margin(10));
  CHECK(seen["a"] == Approx(50).margin(10));
}

TEST_CASE("scenario: the control plane has requests dropped", "[forwarder]") {
  const uint32_t count = workers();
  Origin a("a");
  Proxy proxy(Front{.groups = groups({group({&a})}, R"(
      policy: { drop_overloads: [ { category: busy, drop_percentage: { numerator: 40, denominator: HUNDRED } } ] })")}
                  .yaml(),
              count);
  auto seen = ask(proxy.port(), 500);
  CHECK(seen["503"] == Approx(200).margin(60));
  CHECK(seen["a"] + seen["503"] == 500);
}

TEST_CASE("scenario: a subset answers for its metadata", "[forwarder]") {
  Origin v1("v1");
  Origin v2("v2");
  const auto with = [](const Origin& origin, const std::string& version) {
    return "\n      - { lb_endpoints: [ { metadata: { filter_metadata: { envoy.lb: { version: \"" +
           version +
           "\" } } }, endpoint: { address: { socket_address: { address: 127.0.0.1, "
           "port_value: " +
           std::to_string(origin.port()) + " } } } } ] }";
  };
  const std::string route = R"(
              - match: { prefix: "/v2" }
                route: { cluster: svc, metadata_match: { filter_metadata: { envoy.lb: { version: "2" } } } }
              - match: { prefix: "/v9" }
                route: { cluster: svc, metadata_match: { filter_metadata: { envoy.lb: { version: "9" } } } }
              - match: { prefix: "/" }
                route: { cluster: svc })";
  const auto run = [&](const std::string& fallback, const std::string& path) {
    Proxy proxy(Front{.route = route,
                      .cluster = "\n    lb_subset_config: { fallback_policy: " + fallback +
                                 ", default_subset: { version: \"1\" }"
                                 ", subset_selectors: [ { keys: [ version ] } ] }",
                      .groups = groups({with(v1, "1"), with(v2, "2")})}
                    .yaml(),
                1);
    return ask(proxy.port(), 20, "", path);
  };
  CHECK(run("NO_FALLBACK", "/v2") == std::map<std::string, int>{{"v2", 20}});
  CHECK(run("NO_FALLBACK", "/v9") == std::map<std::string, int>{{"503", 20}});
  CHECK(run("DEFAULT_SUBSET", "/v9") == std::map<std::string, int>{{"v1", 20}});
  CHECK(run("ANY_ENDPOINT", "/v9").size() == 2);
  CHECK(run("ANY_ENDPOINT", "/").size() == 2);
}

namespace {

std::string sessions(const std::string& state, bool strict = false) {
  return std::string(R"(
          - name: envoy.filters.http.stateful_session
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.stateful_session.v3.StatefulSession
              strict: )") +
         (strict ? "true" : "false") + R"(
              session_state:
                name: state
                typed_config: )" +
         state;
}

constexpr const char* kCookieState =
    R"({ "@type": type.googleapis.com/envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState, cookie: { name: sid, ttl: 120s, path: / } })";
constexpr const char* kHeaderState =
    R"({ "@type": type.googleapis.com/envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState, name: x-session })";

}  // namespace

TEST_CASE("scenario: a session stays with its endpoint, by cookie", "[forwarder]") {
  const uint32_t count = workers();
  Origin a("a");
  Origin b("b");
  Origin c("c");
  const auto front = [&](const std::string& list) {
    return Front{.endpoints = list, .filters = sessions(kCookieState)}.yaml();
  };
  Proxy proxy(front(ports({a.port(), b.port(), c.port()})), count);
  const Message first = support::get(proxy.port());
  REQUIRE(first.status == 200);
  const std::string made = first.field("set-cookie");
  CHECK(made.starts_with("sid=\""));
  CHECK(made.ends_with("\"; Max-Age=120; Path=/; HttpOnly"));
  const std::string cookie = "cookie: " + pair_of(made) + "\r\n";
  CHECK(ask(proxy.port(), 20, cookie) == std::map<std::string, int>{{first.body, 20}});
  // Gone: somebody else answers, and the client is told.
  std::string others;
  for (const Origin* origin : {&a, &b, &c})
    if (origin->name() != first.body) others += std::to_string(origin->port()) + " ";
  REQUIRE(proxy.apply(front(others)) == "");
  const Message moved = support::get(proxy.port(), "/", "svc", cookie);
  CHECK(moved.status == 200);
  CHECK(moved.body != first.body);
  CHECK(moved.field("set-cookie").starts_with("sid=\""));
  CHECK(moved.field("set-cookie") != made);
}

TEST_CASE("scenario: a session by header, strict", "[forwarder]") {
  const uint32_t count = workers();
  Origin a("a");
  Origin b("b");
  Proxy proxy(
      Front{.endpoints = ports({a.port(), b.port()}), .filters = sessions(kHeaderState, true)}
          .yaml(),
      count);
  const Message first = support::get(proxy.port());
  const std::string session = first.field("x-session");
  REQUIRE_FALSE(session.empty());
  CHECK(ask(proxy.port(), 20, "x-session: " + session + "\r\n") ==
        std::map<std::string, int>{{first.body, 20}});
  // 10.9.9.9:1 in base64: nobody else may answer.
  CHECK(ask(proxy.port(), 3, "x-session: MTAuOS45Ljk6MQ==\r\n") ==
        std::map<std::string, int>{{"503", 3}});
  // What is no session is none.
  CHECK(ask(proxy.port(), 4, "x-session: !\r\n").contains("503") == false);
}

TEST_CASE("scenario: endpoints of a ring change under load", "[forwarder]") {
  const uint32_t count = workers();
  Origin a("a");
  Origin b("b");
  Origin c("c");
  const auto front = [&](const std::string& list) {
    return Front{
        .route = hash_route(kByUser), .endpoints = list, .cluster = "\n    lb_policy: RING_HASH"}
        .yaml();
  };
  Proxy proxy(front(ports({a.port(), b.port(), c.port()})), count);
  const uint16_t port = proxy.port();
  std::atomic<bool> stop{false};
  std::atomic<size_t> answered{0};
  std::atomic<size_t> lost{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 3; ++i)
    clients.emplace_back([&, i] {
      std::optional<Wire> wire;
      for (int n = 0; !stop; ++n) {
        if (!wire) wire = Wire::try_connect(port);
        const std::string user = std::to_string(i * 1000 + n % 50);
        const bool sent =
            wire && wire->send("GET / HTTP/1.1\r\nhost: svc\r\nx-user: " + user + "\r\n\r\n");
        const Message answer = sent ? wire->read() : Message{};
        ++(answer.status == 200 ? answered : lost);
        if (answer.status == 0 || answer.field("connection") == "close") wire.reset();
      }
    });
  for (int round = 0; round < 4; ++round) {
    for (const std::string& list :
         {ports({a.port(), b.port()}), ports({a.port(), b.port(), c.port()})}) {
      CHECK(proxy.apply(front(list)) == "");
      const size_t before = answered;
      CHECK(support::wait_for([&] { return answered > before + 20; }));
    }
  }
  stop = true;
  for (auto& client : clients) client.join();
  CHECK(lost == 0);
}
