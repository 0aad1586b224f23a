// Authorizers that are asked over HTTP and gRPC, from the YAML of policies to the wire:
// mesh-authorization(7).
#include <catch2/catch.hpp>

#include "base/file.h"
#include "envoy/service/auth/v3/external_auth.pb.h"
#include "scenario/mesh.h"
#include "support/grpc_origin.h"
#include "support/http_peer.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using support::GrpcOrigin;
using support::Message;
using support::Origin;
using support::Wire;

namespace {

namespace auth = envoy::service::auth::v3;

// Reviews whose policy lets an authorizer decide of all but /open; called in clear text.
struct Asked {
  Asked(const std::string& provider_kind, uint16_t authorizer, const std::string& more = "",
        const std::string& policies = "")
      : kind(provider_kind),
        authorizer_port(authorizer),
        mesh(yaml(more, policies)),
        callee(mesh.start("reviews-1", {.workers = workers(), .access_log = folder.file("log")})) {}

  std::string yaml(const std::string& more, const std::string& policies) const {
    const bool grpc = kind == "envoyExtAuthzGrpc";
    return service("reviews") + instance("reviews", "reviews-1", port) +
           object("Sidecar", "reviews-1",
                  "{workloadSelector: {labels: {app: reviews}}, ingress: [{port: {number: " +
                      std::to_string(port) + ", protocol: HTTP, name: http}, defaultEndpoint: '" +
                      "127.0.0.1:" + std::to_string(application.port()) + "'}]}") +
           service("opa", grpc ? "GRPC" : "HTTP") + instance("opa", "opa-1", authorizer_port) +
           "---\napiVersion: mesh/v1\nkind: MeshConfig\nmetadata: {name: m, namespace: "
           "istio-system}\nspec: {extensionProviders: [{name: opa, " +
           kind + ": {service: opa, port: 80" + (more.empty() ? "" : ", " + more) + "}}]}\n" +
           "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p, "
           "namespace: demo}\nspec: {action: CUSTOM, provider: {name: opa}, rules: [{to: "
           "[{operation: {notPaths: [/open]}}]}]}\n" +
           policies;
  }
  void apply(const std::string& more, const std::string& policies = "") {
    mesh.apply(yaml(more, policies));
  }
  Message get(const std::string& path = "/a", const std::string& fields = "") const {
    return support::get(port, path, "reviews", fields);
  }
  Message post(const std::string& body, const std::string& path = "/a") const {
    Wire wire = Wire::connect(port);
    wire.send("POST " + path + " HTTP/1.1\r\nhost: reviews\r\ncontent-length: " +
              std::to_string(body.size()) + "\r\n\r\n" + body);
    return wire.read();
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

  const std::string kind;
  const uint16_t authorizer_port;
  support::TempDir folder;
  Origin application{"reviews"};
  const uint16_t port = support::unused_port();
  Mesh mesh;
  Proxy& callee;
};

const std::string kHttp = "envoyExtAuthzHttp";
const std::string kGrpc = "envoyExtAuthzGrpc";

// An answer of the service of authorization.
std::string ok(const std::function<void(auth::OkHttpResponse&)>& edit = {}) {
  auth::CheckResponse answer;
  auto& said = *answer.mutable_ok_response();
  answer.mutable_status();
  if (edit) edit(said);
  return answer.SerializeAsString();
}
std::string denied(int status = 0, const std::string& body = "") {
  auth::CheckResponse answer;
  answer.mutable_status()->set_code(7);
  answer.mutable_denied_response()->mutable_status()->set_code(envoy::type::v3::StatusCode(status));
  answer.mutable_denied_response()->set_body(body);
  auto& cookie = *answer.mutable_denied_response()->add_headers()->mutable_header();
  cookie.set_key("Set-Cookie");
  cookie.set_value("a=1");
  return answer.SerializeAsString();
}

}  // namespace

TEST_CASE("ext_authz: an authorizer over HTTP allows, with headers for both sides", "[forwarder]") {
  Origin authorizer("opa");
  authorizer.handle([](const Message&, Wire& wire) {
    return wire.send(support::response(
        200, "fine", "x-user: ann\r\nx-other: 1\r\nx-told: yes\r\nx-auth-id: 7\r\n"));
  });
  Asked asked(kHttp, authorizer.port(),
              "pathPrefix: /check, includeRequestHeadersInCheck: [x-token, \"x-a-*\"], "
              "includeAdditionalHeadersInCheck: {x-from: mesh}, headersToUpstreamOnAllow: [x-user, "
              "\"*-id\"], headersToDownstreamOnAllow: [x-told]");
  const Message answer = asked.get(
      "/a?b=c", "x-token: t\r\nx-a-1: 1\r\nx-b: 2\r\nauthorization: me\r\nx-user: eve\r\n");
  CHECK(answer.status == 200);
  CHECK(answer.body == "reviews");
  CHECK(answer.field("x-told") == "yes");
  CHECK(answer.field("x-user").empty());

  REQUIRE(authorizer.seen().size() == 1);
  const Message check = authorizer.seen()[0];
  CHECK(check.start == "GET /check/a?b=c HTTP/1.1");
  CHECK(check.field("host") == "reviews");
  CHECK(check.field("content-length") == "0");
  CHECK(check.field("x-token") == "t");
  CHECK(check.field("x-a-1") == "1");
  CHECK(check.field("x-b").empty());
  CHECK(check.field("authorization") == "me");
  CHECK(check.field("x-from") == "mesh");

  REQUIRE(asked.application.seen().size() == 1);
  const Message request = asked.application.seen()[0];
  CHECK(request.field("x-user") == "ann");
  CHECK(request.fields.count("x-user") == 1);
  CHECK(request.field("x-auth-id") == "7");
  CHECK(request.field("x-other").empty());
  CHECK(asked.count("ok") == 1);

  // What no rule matches is not asked about.
  CHECK(asked.get("/open").status == 200);
  CHECK(authorizer.requests() == 1);
  CHECK(asked.count("disabled") == 1);
}

TEST_CASE("ext_authz: an authorizer over HTTP refuses in its own words", "[forwarder]") {
  Origin authorizer("opa");
  authorizer.handle([](const Message&, Wire& wire) {
    return wire.send(support::response(
        401, "{}",
        "content-type: application/json\r\nlocation: /login\r\nx-a: 1\r\nset-cookie: "
        "a=1\r\nset-cookie: b=2\r\n"));
  });
  Asked asked(kHttp, authorizer.port());
  Message answer = asked.get();
  CHECK(answer.status == 401);
  CHECK(answer.body == "{}");
  CHECK(answer.field("content-type") == "application/json");
  CHECK(answer.field("x-a") == "1");
  CHECK(answer.fields.count("set-cookie") == 2);
  CHECK(answer.fields.count("content-length") == 1);
  CHECK(asked.count("denied") == 1);
  CHECK(asked.application.requests() == 0);
  CHECK(asked.log_has("UAEX"));
  CHECK(asked.log_has("ext_authz_denied"));

  asked.apply("headersToDownstreamOnDeny: [set-cookie]");
  answer = asked.get();
  CHECK(answer.field("location") == "/login");
  CHECK(answer.field("x-a").empty());
  CHECK(answer.field("content-type") == "text/plain");
  CHECK(answer.fields.count("set-cookie") == 2);

  // Whoever is refused so is not asked about by the policies behind it; whoever is let in, is.
  authorizer.always(200);
  asked.apply("",
              "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: "
              "{name: d, namespace: demo}\nspec: {action: DENY, rules: [{to: [{operation: "
              "{paths: [/secret]}}]}]}\n");
  CHECK(asked.get("/secret").body == "RBAC: access denied");
  CHECK(asked.get("/a").status == 200);
}

TEST_CASE("ext_authz: an authorizer that fails", "[forwarder]") {
  Origin authorizer("opa");
  authorizer.always(503);
  Asked asked(kHttp, authorizer.port());
  Message answer = asked.get();
  CHECK(answer.status == 403);
  CHECK(answer.body.empty());
  CHECK(asked.count("error") == 1);
  CHECK(asked.log_has("ext_authz_error"));

  asked.apply("statusOnError: \"502\"");
  CHECK(asked.get().status == 502);
  asked.apply("failOpen: true");
  CHECK(asked.get().status == 200);
  CHECK(asked.count("failure_mode_allowed") == 1);

  // One that says nothing, in time.
  authorizer.handle([](const Message&, Wire& wire) { return !wire.closed(); });
  asked.apply("timeout: 0.1s");
  CHECK(asked.get().status == 403);
  authorizer.stop();
  asked.apply("timeout: 5s");
  CHECK(asked.get().status == 403);
}

TEST_CASE("ext_authz: a client that leaves takes its question along", "[forwarder]") {
  Origin authorizer("opa");
  std::atomic<int> left{0};
  authorizer.handle([&](const Message&, Wire& wire) {
    if (wire.closed()) ++left;
    return false;
  });
  Asked asked(kHttp, authorizer.port());
  {
    Wire wire = Wire::connect(asked.port);
    wire.send("GET /a HTTP/1.1\r\nhost: reviews\r\n\r\n");
    REQUIRE(support::wait_for([&] { return authorizer.requests() == 1; }));
  }
  CHECK(support::wait_for([&] { return left == 1; }));
  CHECK(asked.application.requests() == 0);
}

TEST_CASE("ext_authz: an authorizer is given the body, within a bound", "[forwarder]") {
  Origin authorizer("opa");
  Asked asked(kHttp, authorizer.port(), "includeRequestBodyInCheck: {maxRequestBytes: 10}");
  CHECK(asked.post("0123456789").status == 200);
  REQUIRE(authorizer.seen().size() == 1);
  CHECK(authorizer.seen()[0].body == "0123456789");
  CHECK(authorizer.seen()[0].field("x-envoy-auth-partial-body") == "false");
  REQUIRE(asked.application.seen().size() == 1);
  CHECK(asked.application.seen()[0].body == "0123456789");
  CHECK(asked.post("0123456789a").status == 413);
  CHECK(authorizer.requests() == 1);
  CHECK(asked.log_has("request_payload_too_large"));

  asked.apply("includeRequestBodyInCheck: {maxRequestBytes: 10, allowPartialMessage: true}");
  const std::string large(300'000, 'x');
  CHECK(asked.post("0123456789" + large).status == 200);
  REQUIRE(authorizer.seen().size() == 2);
  CHECK(authorizer.seen()[1].body == "0123456789");
  CHECK(authorizer.seen()[1].field("x-envoy-auth-partial-body") == "true");
  CHECK(asked.application.seen().back().body == "0123456789" + large);

  // Without it a body waits, and goes upstream whole.
  asked.apply("");
  CHECK(asked.post(large).status == 200);
  CHECK(authorizer.seen().back().body.empty());
  CHECK(asked.application.seen().back().body == large);

  // Whoever asks before it sends is told to go on.
  asked.apply("includeRequestBodyInCheck: {maxRequestBytes: 10}");
  Wire wire = Wire::connect(asked.port);
  wire.send(
      "POST /a HTTP/1.1\r\nhost: reviews\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n");
  CHECK(wire.read_head().starts_with("HTTP/1.1 100 "));
  wire.send("ab");
  CHECK(wire.read().status == 200);
  CHECK(authorizer.seen().back().body == "ab");
}

TEST_CASE("ext_authz: an authorizer over gRPC", "[forwarder]") {
  auth::CheckRequest last;
  GrpcOrigin authorizer([&](const std::string& bytes) {
    last.ParseFromString(bytes);
    return ok([](auth::OkHttpResponse& said) {
      const auto set = [](auto& option, const char* key, const char* value) {
        option.mutable_header()->set_key(key);
        option.mutable_header()->set_value(value);
      };
      set(*said.add_headers(), "X-User", "ann");
      auto& appended = *said.add_headers();
      set(appended, "x-list", "b");
      appended.mutable_append()->set_value(true);
      said.add_headers_to_remove("x-secret");
      set(*said.add_response_headers_to_add(), "x-told", "yes");
      said.add_query_parameters_to_set()->set_key("q");
      said.mutable_query_parameters_to_set(0)->set_value("2");
      said.add_query_parameters_to_remove("r");
    });
  });
  Asked asked(kGrpc, authorizer.port());
  const Message answer = asked.get("/a?q=1&r=1",
                                   "x-list: a\r\nx-secret: s\r\nx-twice: 1\r\nx-twice: "
                                   "2\r\n");
  CHECK(answer.status == 200);
  CHECK(answer.field("x-told") == "yes");
  const auto& http = last.attributes().request().http();
  CHECK(http.method() == "GET");
  CHECK(http.path() == "/a?q=1&r=1");
  CHECK(http.host() == "reviews");
  CHECK(http.scheme() == "http");
  CHECK(http.protocol() == "HTTP/1.1");
  CHECK(http.headers().at("x-twice") == "1,2");
  CHECK(http.headers().at(":path") == "/a?q=1&r=1");
  CHECK(!http.id().empty());
  CHECK(last.attributes().source().address().socket_address().address() == "127.0.0.1");
  CHECK(last.attributes().source().address().socket_address().port_value() > 0);
  CHECK(last.attributes().destination().address().socket_address().port_value() == asked.port);
  CHECK(last.attributes().request().time().seconds() > 1'600'000'000);
  REQUIRE(asked.application.seen().size() == 1);
  const Message request = asked.application.seen()[0];
  CHECK(request.start == "GET /a?q=2 HTTP/1.1");
  CHECK(request.field("x-user") == "ann");
  CHECK(request.field("x-list") == "a,b");
  CHECK(request.field("x-secret").empty());
  CHECK(asked.count("ok") == 1);
}

TEST_CASE("ext_authz: an authorizer over gRPC refuses, fails, and is silent", "[forwarder]") {
  GrpcOrigin authorizer([](const std::string&) { return denied(429, "slowly"); });
  Asked asked(kGrpc, authorizer.port(), "timeout: 5s");
  Message answer = asked.get();
  CHECK(answer.status == 429);
  CHECK(answer.body == "slowly");
  CHECK(answer.field("set-cookie") == "a=1");
  CHECK(asked.log_has("ext_authz_denied"));
  authorizer.handle([](const std::string&) { return denied(); });
  CHECK(asked.get().status == 403);
  CHECK(asked.count("denied") == 2);
  CHECK(asked.application.requests() == 0);

  // Words that are none of HTTP's.
  authorizer.handle([](const std::string&) {
    return ok(
        [](auth::OkHttpResponse& said) { said.add_headers()->mutable_header()->set_key("a b"); });
  });
  CHECK(asked.get().status == 500);
  CHECK(asked.count("invalid") == 1);

  authorizer.handle([](const std::string&) { return std::optional<std::string>(); });
  CHECK(asked.get().status == 403);
  authorizer.handle([](const std::string&) { return "no message"; });
  CHECK(asked.get().status == 403);
  authorizer.fall_silent();
  asked.apply("timeout: 0.1s, statusOnError: \"503\"");
  CHECK(asked.get().status == 503);
  CHECK(support::wait_for([&] { return authorizer.resets() == 1; }));
  CHECK(asked.count("error") == 3);
  asked.apply("timeout: 0.1s, failOpen: true");
  CHECK(asked.get().status == 200);
}

TEST_CASE("ext_authz: without its provider what a policy matches is refused", "[forwarder]") {
  Origin authorizer("opa");
  Asked asked(kHttp, authorizer.port());
  CHECK(asked.get().status == 200);
  std::string without = asked.yaml("", "");
  const std::string name = "extensionProviders: [{name: opa,";
  without.replace(without.find(name), name.size(), "extensionProviders: [{name: other,");
  asked.mesh.apply(without);
  CHECK(asked.get().body == "RBAC: access denied");
  CHECK(asked.get("/open").status == 200);
  CHECK(asked.log_has(
      "istio-ext-authz-opa-ns[demo]-policy[p]-rule[0]-deny-due-to-bad-CUSTOM-action"));
}
