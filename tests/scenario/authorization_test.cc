// Who may call, from the YAML of policies to the wire: identities proved by mutual TLS,
// tokens, and connections that are not HTTP. mesh-authorization(7).
#include <catch2/catch.hpp>

#include "base/file.h"
#include "scenario/mesh.h"
#include "support/http_peer.h"
#include "support/tcp_peer.h"
#include "support/tokens.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using support::connect_to;
using support::Message;
using support::Origin;
using support::read_some;
using support::TcpOrigin;
using support::Wire;

namespace {

const std::string kCallers = instance("web", "web-1", 9) + instance("jobs", "jobs-1", 9);

// `meta`: ", annotations: {...}".
std::string policy(const std::string& kind, const std::string& name, const std::string& spec,
                   const std::string& ns = "demo", const std::string& meta = "") {
  return "---\napiVersion: security.istio.io/v1\nkind: " + kind + "\nmetadata: {name: " + name +
         ", namespace: " + ns + meta + "}\nspec: {" + spec + "}\n";
}
std::string access(const std::string& spec, const std::string& ns = "demo",
                   const std::string& meta = "") {
  return policy("AuthorizationPolicy", "p", spec, ns, meta);
}
std::string from(const std::string& source) {
  return "rules: [{from: [{source: {" + source + "}}]}]";
}
std::string to(const std::string& operation) {
  return "rules: [{to: [{operation: {" + operation + "}}]}]";
}
std::string when(const std::string& key, const std::string& value) {
  return "rules: [{when: [{key: '" + key + "', values: ['" + value + "']}]}]";
}

// The reviews behind their forwarder, called by web and jobs through theirs, and by
// somebody without one.
struct Reviews {
  explicit Reviews(uint32_t workers)
      : mesh(yaml("")),
        callee(mesh.start("reviews-1", {.workers = workers, .access_log = folder.file("log")})),
        web(mesh.start("web-1")),
        jobs(mesh.start("jobs-1")) {}

  std::string yaml(const std::string& policies) const {
    return kCallers + service("reviews") +
           instance("reviews", "reviews-1", port, "", ", serviceAccount: reviews") +
           object("Sidecar", "reviews-1",
                  "{workloadSelector: {labels: {app: reviews}}, ingress: [{port: {number: " +
                      std::to_string(port) + ", protocol: HTTP, name: http}, defaultEndpoint: '" +
                      "127.0.0.1:" + std::to_string(application.port()) + "'}]}") +
           policies;
  }
  void apply(const std::string& policies) { mesh.apply(yaml(policies)); }
  Message plain(const std::string& path = "/r/1", const std::string& fields = "") const {
    return support::get(port, path, "reviews", fields);
  }
  // What web, jobs and the other get: "200 403 403".
  std::string outcome(const std::string& path = "/r/1", const std::string& fields = "") {
    std::string all;
    for (const uint16_t at : {web.port("outbound"), jobs.port("outbound"), port})
      all += (all.empty() ? "" : " ") +
             std::to_string(support::get(at, path, "reviews", fields).status);
    return all;
  }
  uint64_t count(const std::string& result) {
    uint64_t sum = 0;
    callee.run([&](forward::Forwarder& forwarder) {
      telemetry::Snapshot all;
      forwarder.collect(all);
      for (const auto& [key, value] : all.numbers)
        for (const auto& [name, label] : key.labels)
          if (name == "result" && label == result) sum += value;
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
  Origin application{"reviews"};
  const uint16_t port = support::unused_port();
  Mesh mesh;
  Proxy& callee;
  Proxy& web;
  Proxy& jobs;
};

}  // namespace

TEST_CASE("authorization: who may call, by what the policy asks", "[forwarder]") {
  const uint32_t count = workers();
  Reviews reviews(count);
  struct Row {
    const char* name;
    std::string policies;
    std::string expected;  // web, jobs, in clear text
    std::string fields = "";
  };
  const std::string port = std::to_string(reviews.port);
  const Row rows[] = {
      {"no policy", "", "200 200 200"},
      {"nobody", access(""), "403 403 403"},
      {"everybody", access("rules: [{}]"), "200 200 200"},
      {"denied to everybody", access("action: DENY, rules: [{}]"), "403 403 403"},
      {"another's policy", access("selector: {matchLabels: {app: web}}"), "200 200 200"},
      {"its own policy", access("selector: {matchLabels: {app: reviews}}"), "403 403 403"},
      {"the root namespace's", access("", "istio-system"), "403 403 403"},
      {"another namespace's", access("", "other"), "200 200 200"},
      {"a dry run", access("", "demo", ", annotations: {istio.io/dry-run: 'true'}"), "200 200 200"},
      {"AUDIT", access("action: AUDIT, rules: [{}]"), "200 200 200"},
      {"principals", access(from("principals: [cluster.local/ns/demo/sa/web]")), "200 403 403"},
      {"principals, a suffix", access(from("principals: ['*/sa/jobs']")), "403 200 403"},
      {"principals, any", access(from("principals: ['*']")), "200 200 403"},
      {"notPrincipals", access(from("notPrincipals: ['*/sa/jobs']")), "200 403 200"},
      {"DENY notPrincipals", access("action: DENY, " + from("notPrincipals: ['*/sa/web']")),
       "200 403 403"},
      {"namespaces", access(from("namespaces: [demo]")), "200 200 403"},
      {"notNamespaces", access(from("notNamespaces: [demo]")), "403 403 200"},
      {"serviceAccounts", access(from("serviceAccounts: [web]")), "200 403 403"},
      {"trustDomains", access(from("trustDomains: [cluster.local]")), "200 200 403"},
      {"ipBlocks", access(from("ipBlocks: [127.0.0.0/8]")), "200 200 200"},
      {"notIpBlocks", access(from("notIpBlocks: [127.0.0.1]")), "403 403 403"},
      {"remoteIpBlocks", access(from("remoteIpBlocks: [127.0.0.1]")), "200 200 200"},
      {"notRemoteIpBlocks", access(from("notRemoteIpBlocks: [127.0.0.1]")), "403 403 403"},
      {"hosts", access(to("hosts: [REVIEWS, elsewhere]")), "200 200 200"},
      {"notHosts", access(to("notHosts: [reviews]")), "403 403 403"},
      {"ports", access(to("ports: ['" + port + "']")), "200 200 200"},
      {"notPorts", access(to("notPorts: ['" + port + "']")), "403 403 403"},
      {"methods", access(to("methods: [POST]")), "403 403 403"},
      {"notMethods", access(to("notMethods: [POST]")), "200 200 200"},
      {"paths", access(to("paths: [/r/*]")), "200 200 200"},
      {"a template", access(to("paths: ['/r/{*}']")), "200 200 200"},
      {"a template of more", access(to("paths: ['/r/{*}/x']")), "403 403 403"},
      {"notPaths", access(to("notPaths: ['*/1']")), "403 403 403"},
      {"both sides",
       access("rules: [{from: [{source: {principals: ['*/sa/web']}}], to: "
              "[{operation: {methods: [GET]}}]}]"),
       "200 403 403"},
      {"a header", access(when("request.headers[X-Team]", "a*")), "200 200 200", "x-team: abc\r\n"},
      {"another header", access(when("request.headers[X-Team]", "a*")), "403 403 403",
       "x-team: b\r\n"},
      {"source.ip", access(when("source.ip", "127.0.0.1")), "200 200 200"},
      {"source.namespace", access(when("source.namespace", "demo")), "200 200 403"},
      {"source.principal", access(when("source.principal", "cluster.local/ns/demo/sa/jobs")),
       "403 200 403"},
      {"destination.ip", access(when("destination.ip", "10.0.0.0/8")), "403 403 403"},
      {"destination.port", access(when("destination.port", port)), "200 200 200"},
      {"connection.sni", access(when("connection.sni", "*")), "200 200 403"},
      {"no token", access(from("requestPrincipals: ['*']")), "403 403 403"},
      {"DENY before ALLOW",
       access("rules: [{}]") +
           policy("AuthorizationPolicy", "q", "action: DENY, " + from("principals: ['*/sa/jobs']")),
       "200 403 200"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    reviews.apply(row.policies);
    CHECK(reviews.outcome("/r/1", row.fields) == row.expected);
  }
}

TEST_CASE("authorization: a refusal is told, counted and logged with the policy that decided",
          "[forwarder]") {
  const uint32_t count = workers();
  Reviews reviews(count);
  reviews.apply(access("rules: [{from: [{source: {principals: ['*/sa/web']}}]}]"));
  CHECK(reviews.outcome() == "200 403 403");
  const Message refused = reviews.plain();
  CHECK(refused.body == "RBAC: access denied");
  CHECK(reviews.count("allowed") == 1);
  CHECK(reviews.count("denied") == 3);
  CHECK(reviews.log_has("rbac_access_denied_matched_policy[none]"));
  reviews.apply(access("action: DENY, rules: [{to: [{operation: {paths: [/none]}}]}, " +
                       from("principals: ['*/sa/jobs']").substr(8)));
  CHECK(reviews.outcome() == "200 403 200");
  CHECK(reviews.log_has("rbac_access_denied_matched_policy[ns[demo]-policy[p]-rule[1]]"));
  CHECK(reviews.application.requests() == 3);
  // A dry run refuses nobody, and its counts say whom it would.
  reviews.apply(access("action: DENY, rules: [{from: [{source: {principals: ['*/sa/jobs']}}]}]",
                       "demo", ", annotations: {istio.io/dry-run: 'true'}"));
  CHECK(reviews.outcome() == "200 200 200");
  CHECK(reviews.count("istio_dry_run_deny_shadow_denied") == 1);
  CHECK(reviews.count("istio_dry_run_deny_shadow_allowed") == 2);
}

TEST_CASE("authorization: tokens of an issuer, and what they say", "[forwarder]") {
  const uint32_t count = workers();
  Reviews reviews(count);
  const support::SigningKey key("ES256"), other("ES256");
  reviews.application.handle([](const Message& request, Wire& wire) {
    return wire.send(
        support::response(200, request.field("x-team") + "|" + request.field("authorization")));
  });
  const std::string tokens =
      policy("RequestAuthentication", "t",
             "jwtRules: [{issuer: i, audiences: [shop], jwks: '" + key.jwks() +
                 "', outputClaimToHeaders: [{header: x-team, claim: team}]}]");
  const std::string good = key.token(
      R"({"iss": "i", "sub": "ann", "aud": "shop", "team": "blue", "scope": "read write"})");
  const auto bearer = [](const std::string& token) {
    return "authorization: Bearer " + token + "\r\n";
  };
  const auto get = [&](const std::string& fields) { return reviews.plain("/r/1", fields); };

  reviews.apply(tokens);
  CHECK(get("").status == 200);  // nobody
  const Message taken = get(bearer(good));
  CHECK(taken.body == "blue|");
  CHECK(get("x-team: red\r\n").body == "|");
  struct Row {
    std::string token;
    int status;
    const char* body;
  };
  const Row rows[] = {
      {"nonsense", 401,
       "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"},
      {other.token(R"({"iss": "i", "aud": "shop"})"), 401, "Jwt verification fails"},
      {key.token(R"({"iss": "j", "aud": "shop"})"), 401, "Jwt issuer is not configured"},
      {key.token(R"({"iss": "i", "aud": "shop", "exp": 1})"), 401, "Jwt is expired"},
      {key.token(R"({"iss": "i", "aud": "bank"})"), 403, "Audiences in Jwt are not allowed"},
  };
  for (const Row& row : rows) {
    const Message answer = get(bearer(row.token));
    CHECK(answer.status == row.status);
    CHECK(answer.body == row.body);
    CHECK(answer.field("www-authenticate") ==
          "Bearer realm=\"http://reviews/r/1\", error=\"invalid_token\"");
  }
  CHECK(reviews.log_has("jwt_authn_access_denied{Jwt_is_expired}"));

  const auto with = [&](const std::string& rule) { reviews.apply(tokens + access(rule)); };
  with(from("requestPrincipals: [i/ann]"));
  CHECK(get("").status == 403);
  CHECK(get(bearer(good)).status == 200);
  with(from("notRequestPrincipals: ['*']"));
  CHECK(get("").status == 200);
  CHECK(get(bearer(good)).status == 403);
  for (const auto& [key_text, value, allowed] :
       {std::tuple{"request.auth.claims[team]", "blue", true},
        {"request.auth.claims[team]", "red", false},
        {"request.auth.claims[scope]", "write", true},
        {"request.auth.audiences", "shop", true},
        {"request.auth.principal", "i/ann", true},
        {"request.auth.claims[none]", "*", false}}) {
    with(when(key_text, value));
    INFO(key_text << " " << value);
    CHECK(get(bearer(good)).status == (allowed ? 200 : 403));
    CHECK(get("").status == 403);
  }
}

namespace {

// A database behind its forwarder, called by web and jobs through theirs.
struct Database {
  explicit Database(uint32_t workers) : mesh(yaml("")), callee(mesh.start("db-1", workers)) {
    for (const char* caller : {"web-1", "jobs-1"})
      mesh.start(caller,
                 {.outbound_tcp = caller == std::string("web-1") ? "127.0.0.1" : "127.0.0.2"});
  }
  std::string yaml(const std::string& policies) const {
    return kCallers + service("db", "TCP", called) +
           instance("db", "db-1", port, "", ", serviceAccount: db") +
           object("Sidecar", "db-1",
                  "{workloadSelector: {labels: {app: db}}, ingress: [{port: {number: " +
                      std::to_string(port) + ", protocol: TCP, name: tcp}, defaultEndpoint: '" +
                      "127.0.0.1:" + std::to_string(application.port()) + "'}]}") +
           policies;
  }
  Wire connect(const std::string& who) const {
    return who == "plain" ? connect_to("127.0.0.1", port)
                          : connect_to(who == "web" ? "127.0.0.1" : "127.0.0.2", called);
  }
  static bool echoes(Wire& wire) {
    return wire.send("hello") && read_some(wire, 5, 10000) == "hello";
  }
  // Who is served, in order.
  std::string outcome() const {
    std::string all;
    for (const char* who : {"web", "jobs", "plain"}) {
      Wire wire = connect(who);
      if (echoes(wire)) all += (all.empty() ? "" : " ") + std::string(who);
    }
    return all;
  }

  TcpOrigin application;
  const uint16_t port = support::unused_port();
  const uint16_t called = support::unused_port();
  Mesh mesh;
  Proxy& callee;
};

}  // namespace

TEST_CASE("authorization: connections that are not HTTP", "[forwarder]") {
  const uint32_t count = workers();
  Database db(count);
  const std::string port = "ports: ['" + std::to_string(db.port) + "']";
  const std::pair<std::string, std::string> rows[] = {
      {"", "web jobs plain"},
      {access(""), ""},
      {access(from("principals: ['*/sa/web']")), "web"},
      {access(to(port)), "web jobs plain"},
      // Nothing that only HTTP has is ever allowed,
      {access("rules: [{to: [{operation: {methods: [GET], " + port + "}}]}]"), ""},
      {access("rules: [{to: [{operation: {methods: [GET]}}]}, {from: [{source: {principals: "
              "['*/sa/jobs']}}]}]"),
       "jobs"},
      // and what a DENY asks of it is left out.
      {access("action: DENY, rules: [{to: [{operation: {methods: [GET], " + port +
              "}}], from: [{source: {principals: ['*/sa/web']}}]}]"),
       "jobs plain"},
      {access("action: DENY, rules: [{from: [{source: {namespaces: [demo]}}]}]"), "plain"},
  };
  for (const auto& [policies, expected] : rows) {
    INFO(policies);
    db.mesh.apply(db.yaml(policies));
    CHECK(db.outcome() == expected);
  }
}

TEST_CASE("authorization: a connection that a new policy refuses is closed", "[forwarder]") {
  const uint32_t count = workers();
  Database db(count);
  Wire web = db.connect("web"), jobs = db.connect("jobs");
  REQUIRE(db.echoes(web));
  REQUIRE(db.echoes(jobs));
  db.mesh.apply(db.yaml(access(from("principals: ['*/sa/web']"))));
  CHECK(jobs.closed());
  CHECK(db.echoes(web));
}
