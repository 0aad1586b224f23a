// Routing on real sockets: redirects, rewrites, edits, mirrors, CORS, very many routes.
#include <catch2/catch.hpp>
#include <mutex>

#include "scenario/proxy.h"
#include "support/http_peer.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using support::Message;
using support::Origin;
using support::Wire;

namespace {

std::string cluster(const std::string& name, uint16_t port) {
  return "\n  - name: " + name +
         "\n    type: STATIC\n    load_assignment:\n      cluster_name: " + name +
         "\n      endpoints:\n      - lb_endpoints:\n        - endpoint: { address: { "
         "socket_address: { address: 127.0.0.1, port_value: " +
         std::to_string(port) + " } } }";
}

// An origin that says what it was asked.
void echo(Origin& origin) {
  origin.handle([](const Message& request, Wire& wire) {
    std::string text = request.start + "|";
    for (const char* name : {"host", "x-envoy-original-path", "x-forwarded-host", "x-a", "x-b"})
      text += request.field(name) + "|";
    return wire.send(support::response(200, text + request.body));
  });
}

}  // namespace

TEST_CASE("scenario: redirects", "[forwarder]") {
  Origin origin("origin");
  Proxy proxy(Front{.route = R"(
              - match: { prefix: "/old" }
                redirect: { prefix_rewrite: "/new", host_redirect: "shop.example", response_code: TEMPORARY_REDIRECT }
                response_headers_to_add: [ { header: { key: x-why, value: moved }, append_action: OVERWRITE_IF_EXISTS_OR_ADD } ]
              - match: { prefix: "/" }
                redirect: { https_redirect: true, strip_query: true })",
                    .endpoints = ports({origin.port()})}
                  .yaml(),
              1);
  const Message moved = support::get(proxy.port(), "/old/a?b=c");
  CHECK(moved.status == 307);
  CHECK(moved.field("location") == "http://shop.example/new/a?b=c");
  CHECK(moved.field("x-why") == "moved");
  const Message secure = support::get(proxy.port(), "/x?y", "svc:80");
  CHECK(secure.status == 301);
  CHECK(secure.field("location") == "https://svc/x");
  CHECK(origin.requests() == 0);
}

TEST_CASE("scenario: rewrites and edits reach the origin, most specific first", "[forwarder]") {
  Origin origin("origin");
  echo(origin);
  Proxy proxy(Front{.route = R"(
              - match: { prefix: "/v1/" }
                route: { cluster: svc, prefix_rewrite: "/", host_rewrite_literal: inner, append_x_forwarded_host: true }
              - match: { prefix: "/re/" }
                route:
                  cluster: svc
                  regex_rewrite: { pattern: { regex: "^/re/([^/]+)/(.*)$" }, substitution: "/\\2/\\1" }
              - match: { prefix: "/edit" }
                request_headers_to_add:
                - { header: { key: x-a, value: "route" }, append_action: OVERWRITE_IF_EXISTS_OR_ADD }
                - { header: { key: x-b, value: "[%REQ(x-none)%]%REQ(:PATH)% %PROTOCOL%" } }
                route:
                  weighted_clusters:
                    clusters:
                    - name: svc
                      weight: 1
                      request_headers_to_add:
                      - { header: { key: x-a, value: "destination" }, append_action: OVERWRITE_IF_EXISTS_OR_ADD }
                      response_headers_to_add: [ { header: { key: x-status, value: "%RESPONSE_CODE%" } } ]
              - match: { prefix: "/to" }
                route: { cluster_header: x-cluster })",
                    .endpoints = ports({origin.port()})}
                  .yaml(),
              workers());
  CHECK(support::get(proxy.port(), "/v1/users?q=1").body ==
        "GET /users?q=1 HTTP/1.1|inner|/v1/users?q=1|svc|||");
  CHECK(support::get(proxy.port(), "/re/one/two?q").body ==
        "GET /two/one?q HTTP/1.1|svc|/re/one/two?q||||");
  const Message edited = support::get(proxy.port(), "/edit?x");
  CHECK(edited.body == "GET /edit?x HTTP/1.1|svc|||route|[]/edit?x HTTP/1.1|");
  CHECK(edited.field("x-status") == "200");
  CHECK(support::get(proxy.port(), "/to", "svc", "x-cluster: svc\r\n").status == 200);
  CHECK(support::get(proxy.port(), "/to", "svc", "x-cluster: nobody\r\n").status == 503);
  CHECK(support::get(proxy.port(), "/to").status == 503);
}

TEST_CASE("scenario: a mirror gets a copy, and cannot be felt", "[forwarder]") {
  Origin origin("origin");
  Origin shadow("shadow");
  Origin mute("mute");
  std::mutex mutex;
  std::vector<std::string> seen;
  shadow.handle([&](const Message& request, Wire& wire) {
    const std::lock_guard lock(mutex);
    seen.push_back(request.start + "|" + request.field("host") + "|" + request.body);
    return wire.send(support::response(500, "never seen"));
  });
  mute.handle([](const Message&, Wire& wire) { return !wire.closed(20000); });
  Proxy proxy(Front{.route = R"(
              - match: { prefix: "/" }
                route:
                  cluster: svc
                  timeout: 1s
                  request_mirror_policies:
                  - { cluster: shadow }
                  - { cluster: mute }
                  - { cluster: nobody }
                  - { cluster: dead }
                  - { cluster: shadow, runtime_fraction: { default_value: { numerator: 0 } } })",
                    .endpoints = ports({origin.port()})}
                      .yaml() +
                  cluster("shadow", shadow.port()) + cluster("mute", mute.port()) +
                  cluster("dead", support::unused_port()),
              workers());
  Wire client = Wire::connect(proxy.port());
  for (int i = 0; i < 5; ++i) {
    client.send("POST /x HTTP/1.1\r\nhost: svc:80\r\ncontent-length: 5\r\n\r\nhello");
    const Message answer = client.read();
    CHECK(answer.status == 200);
    CHECK(answer.body == "origin");
  }
  REQUIRE(support::wait_for([&] {
    const std::lock_guard lock(mutex);
    return seen.size() == 5;
  }));
  const std::lock_guard lock(mutex);
  for (const std::string& request : seen) CHECK(request == "POST /x HTTP/1.1|svc-shadow:80|hello");
}

TEST_CASE("scenario: CORS", "[forwarder]") {
  Origin origin("origin");
  Proxy proxy(Front{.route = R"(
              - match: { prefix: "/" }
                route: { cluster: svc }
                typed_per_filter_config:
                  cors:
                    "@type": type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy
                    allow_origin_string_match: [ { suffix: ".example.org" } ]
                    allow_methods: "GET"
                    max_age: "60")",
                    .endpoints = ports({origin.port()}),
                    .filters = R"(
          - name: cors
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors })"}
                  .yaml(),
              1);
  Wire client = Wire::connect(proxy.port());
  client.send(
      "OPTIONS / HTTP/1.1\r\nhost: svc\r\norigin: https://a.example.org\r\n"
      "access-control-request-method: GET\r\n\r\n");
  const Message preflight = client.read();
  CHECK(preflight.status == 200);
  CHECK(preflight.field("access-control-allow-origin") == "https://a.example.org");
  CHECK(preflight.field("access-control-allow-methods") == "GET");
  CHECK(preflight.field("access-control-max-age") == "60");
  CHECK(origin.requests() == 0);
  const Message answer =
      support::get(proxy.port(), "/", "svc", "origin: https://a.example.org\r\n");
  CHECK(answer.body == "origin");
  CHECK(answer.field("access-control-allow-origin") == "https://a.example.org");
  const Message other = support::get(proxy.port(), "/", "svc", "origin: https://a.example.com\r\n");
  CHECK(other.field("access-control-allow-origin").empty());
}

TEST_CASE("scenario: a hundred thousand routes of one host", "[forwarder]") {
  Origin origin("origin");
  echo(origin);
  std::string routes;
  for (int i = 0; i < 100'000; ++i) {
    const std::string n = std::to_string(i);
    // Some are told from their neighbours by what they make of the path.
    const std::string rewrite = i % 1000 == 7 ? ", prefix_rewrite: /r" + n + "/" : "";
    routes += "\n              - { match: { " + std::string(i % 2 == 0 ? "path" : "prefix") +
              ": /item/" + n + "/ }, route: { cluster: svc" + rewrite + " } }";
  }
  routes += "\n              - { match: { prefix: / }, direct_response: { status: 404 } }";
  Proxy proxy(Front{.route = routes, .endpoints = ports({origin.port()})}.yaml(), 1);
  for (const std::string n : {"7", "52007", "99007"})
    CHECK(support::get(proxy.port(), "/item/" + n + "/").body.starts_with("GET /r" + n + "/ "));
  for (const std::string path : {"/item/0/", "/item/52008/", "/item/99999/x"})
    CHECK(support::get(proxy.port(), path).body.starts_with("GET " + path + " "));
  CHECK(support::get(proxy.port(), "/item/100000/").status == 404);
  CHECK(support::get(proxy.port(), "/item/52008/x").status == 404);
}
