// Authorizers where there are several, at a gateway, and under mutual TLS: mesh-authorization(7).
#include <catch2/catch.hpp>

#include "envoy/service/auth/v3/external_auth.pb.h"
#include "scenario/mesh.h"
#include "support/grpc_origin.h"
#include "support/http_peer.h"

using namespace mesh;
using namespace mesh::scenario;
using support::GrpcOrigin;
using support::Message;
using support::Origin;
using support::Wire;

namespace {

std::string providers(const std::string& list) {
  return object("MeshConfig", "m", "{extensionProviders: [" + list + "]}");
}

std::string policy(const std::string& name, const std::string& spec) {
  return "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: " +
         name + ", namespace: demo}\nspec: {" + spec + "}\n";
}

// What asks `provider` of these paths to workloads of label app=`app`.
std::string custom(const std::string& provider, const std::string& app, const std::string& paths) {
  return policy("ask-" + provider, "selector: {matchLabels: {app: " + app +
                                       "}}, action: CUSTOM, provider: {name: " + provider +
                                       "}, rules: [{to: [{operation: {paths: [" + paths + "]}}]}]");
}

// A service whose forwarder has these requests at `port` for who listens at `application`.
std::string served(const std::string& app, uint16_t port, uint16_t application,
                   const std::string& more = "") {
  return service(app) + instance(app, app + "-1", port, "", more) +
         object("Sidecar", app + "-1",
                "{workloadSelector: {labels: {app: " + app + "}}, ingress: [{port: {number: " +
                    std::to_string(port) + ", protocol: HTTP, name: http}, defaultEndpoint: '" +
                    "127.0.0.1:" + std::to_string(application) + "'}]}");
}

// Allows, and sets a header of the request and one of the answer.
std::string allowed(const std::string& name, const std::string& value) {
  envoy::service::auth::v3::CheckResponse answer;
  answer.mutable_status();
  const auto set = [&](envoy::config::core::v3::HeaderValueOption& option) {
    option.mutable_header()->set_key(name);
    option.mutable_header()->set_value(value);
  };
  set(*answer.mutable_ok_response()->add_headers());
  set(*answer.mutable_ok_response()->add_response_headers_to_add());
  return answer.SerializeAsString();
}

}  // namespace

TEST_CASE("ext_authz: several authorizers, each of its own, and one after the other",
          "[forwarder]") {
  const uint32_t count = workers();
  Origin first("first");
  first.handle([](const Message& request, Wire& wire) {
    const bool no = request.start.find("/both/no") != std::string::npos;
    return wire.send(support::response(no ? 401 : 200, "", "x-first: 1\r\n"));
  });
  GrpcOrigin second([](const std::string&) { return allowed("x-second", "2"); });
  Origin application("reviews");
  const uint16_t port = support::unused_port();
  Mesh mesh(served("reviews", port, application.port()) + service("first") +
            instance("first", "first-1", first.port()) + service("second", "GRPC") +
            instance("second", "second-1", second.port()) +
            providers("{name: a, envoyExtAuthzHttp: {service: first, port: 80, "
                      "headersToUpstreamOnAllow: [x-first], headersToDownstreamOnAllow: [x-first]}}"
                      ", {name: b, envoyExtAuthzGrpc: {service: second, port: 80}}") +
            custom("a", "reviews", "/a, /both/*") + custom("b", "reviews", "/b, /both/*"));
  mesh.start("reviews-1", count);
  const auto get = [&](const std::string& path) { return support::get(port, path, "reviews"); };
  const auto asked = [&] { return std::pair(first.requests(), second.calls()); };

  CHECK(get("/none").status == 200);
  CHECK(asked() == std::pair<size_t, size_t>(0, 0));
  CHECK(get("/a").field("x-first") == "1");
  CHECK(asked() == std::pair<size_t, size_t>(1, 0));
  CHECK(get("/b").field("x-second") == "2");
  CHECK(asked() == std::pair<size_t, size_t>(1, 1));
  const Message both = get("/both/yes");
  CHECK(both.status == 200);
  CHECK(both.field("x-first") == "1");
  CHECK(both.field("x-second") == "2");
  CHECK(asked() == std::pair<size_t, size_t>(2, 2));
  REQUIRE(application.seen().size() == 4);
  CHECK(application.seen()[3].field("x-first") == "1");
  CHECK(application.seen()[3].field("x-second") == "2");
  // Whom the first refuses, the second is not asked about.
  CHECK(get("/both/no").status == 401);
  CHECK(asked() == std::pair<size_t, size_t>(3, 2));
  CHECK(application.requests() == 4);
}

namespace {

// A gateway with a route by a header that the authorizer sets.
struct Door {
  explicit Door(uint32_t count) : mesh(yaml("", "")) {
    authorizer.handle([](const Message& request, Wire& wire) {
      if (request.field("authorization") != "me")
        return wire.send(support::response(403, "not you"));
      return wire.send(support::response(200, "", "x-team: blue\r\n"));
    });
    mesh.start("edge-1", count);
  }

  std::string yaml(const std::string& provider, const std::string& more) const {
    const auto to = [](const std::string& host) {
      return "route: [{destination: {host: " + host + "}}]";
    };
    return instance("edge", "edge-1", 9) + service("blue") +
           instance("blue", "blue-1", blue.port()) + service("rest") +
           instance("rest", "rest-1", rest.port()) + service("opa") +
           instance("opa", "opa-1", authorizer.port()) +
           providers(
               "{name: opa, envoyExtAuthzHttp: {service: opa, port: 80, "
               "headersToUpstreamOnAllow: [x-team]" +
               provider + "}}") +
           policy("ask",
                  "targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: door}], "
                  "action: CUSTOM, provider: {name: opa}, rules: [{to: [{operation: {notPaths: "
                  "[/open]}}]}]") +
           object("Gateway", "door",
                  "{selector: {app: edge}, servers: [{port: {number: " + std::to_string(port) +
                      ", name: http, protocol: HTTP}, hosts: ['*'], bind: 127.0.0.1}]}") +
           object("VirtualService", "v",
                  "{hosts: ['*'], gateways: [door], http: [{match: [{headers: {x-team: {exact: "
                  "blue}}}], " +
                      to("blue") +
                      "}, {match: [{uri: {prefix: /closed}}], directResponse: "
                      "{status: 418}}, {" +
                      to("rest") + "}]}") +
           more;
  }
  std::string get(const std::string& path, const std::string& fields = "") const {
    const Message answer = support::get(port, path, "a.example", fields);
    return std::to_string(answer.status) + " " + answer.body;
  }

  Origin authorizer{"opa"};
  Origin blue{"blue"};
  Origin rest{"rest"};
  const uint16_t port = support::unused_port();
  Mesh mesh;
};

constexpr const char* kMe = "authorization: me\r\n";

}  // namespace

TEST_CASE("ext_authz: at a gateway", "[forwarder]") {
  const uint32_t count = workers();
  Door door(count);
  CHECK(door.get("/a") == "403 not you");
  CHECK(door.get("/open") == "200 rest");
  CHECK(door.rest.requests() == 1);
  // What it says makes no other route.
  CHECK(door.get("/a", kMe) == "200 rest");
  CHECK(door.rest.seen().back().field("x-team") == "blue");
  // A route that answers by itself asks first.
  CHECK(door.get("/closed") == "403 not you");
  CHECK(door.get("/closed", kMe) == "418 ");
  CHECK(door.authorizer.requests() == 4);
}

TEST_CASE("ext_authz: the route is found anew by what the authorizer said", "[forwarder]") {
  const uint32_t count = workers();
  Door door(count);
  door.mesh.apply(door.yaml(", clearRouteCache: true", ""));
  CHECK(door.get("/a") == "403 not you");
  CHECK(door.get("/a", kMe) == "200 blue");
  CHECK(door.get("/closed", kMe) == "200 blue");
  CHECK(door.blue.seen().back().field("x-team") == "blue");
  CHECK(door.get("/open") == "200 rest");
  // Where nobody is asked a client's own word counts.
  CHECK(door.get("/open", "x-team: blue\r\n") == "200 blue");
  CHECK(door.authorizer.requests() == 3);
  // Rules behind it are asked of the request as it is then.
  door.mesh.apply(
      door.yaml(", clearRouteCache: true",
                policy("deny",
                       "selector: {matchLabels: {app: edge}}, action: DENY, rules: "
                       "[{when: [{key: 'request.headers[x-team]', values: [blue]}]}]")));
  CHECK(door.get("/a", kMe) == "403 RBAC: access denied");
  CHECK(door.get("/open") == "200 rest");
}

TEST_CASE("ext_authz: an authorizer is asked under mutual TLS, by who asks", "[forwarder]") {
  const uint32_t count = workers();
  Origin authorizer("opa");
  Origin application("reviews");
  const uint16_t port = support::unused_port();
  const uint16_t its_port = support::unused_port();
  const auto yaml = [&](const std::string& may) {
    return served("reviews", port, application.port()) +
           served("opa", its_port, authorizer.port(), ", serviceAccount: opa") +
           object("DestinationRule", "opa",
                  "{host: opa, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}") +
           object("PeerAuthentication", "opa",
                  "{selector: {matchLabels: {app: opa}}, mtls: {mode: STRICT}}") +
           policy("may",
                  "selector: {matchLabels: {app: opa}}, rules: [{from: [{source: "
                  "{principals: [cluster.local/ns/demo/sa/" +
                      may + "]}}]}]") +
           providers("{name: opa, envoyExtAuthzHttp: {service: opa, port: 80}}") +
           custom("opa", "reviews", "'*'");
  };
  Mesh mesh(yaml("reviews"));
  mesh.start("opa-1");
  mesh.start("reviews-1", count);
  CHECK(support::get(port, "/a", "reviews").status == 200);
  REQUIRE(authorizer.seen().size() == 1);
  CHECK(authorizer.seen()[0]
            .field("x-forwarded-client-cert")
            .find("URI=spiffe://cluster.local/ns/demo/sa/reviews") != std::string::npos);
  // In clear text it is not to be had.
  CHECK(support::get(its_port, "/a", "opa").status != 200);
  // Who may not ask is told so, which is a refusal like another.
  mesh.apply(yaml("others"));
  CHECK(support::get(port, "/a", "reviews").status == 403);
  CHECK(authorizer.requests() == 1);
  CHECK(application.requests() == 1);
}
