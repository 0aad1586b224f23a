// Routes by what a token says, from YAML to the wire: mesh-routing(7), "CLAIMS".
#include <catch2/catch.hpp>

#include "scenario/mesh.h"
#include "support/http_peer.h"
#include "support/tokens.h"

using namespace mesh;
using namespace mesh::scenario;
using support::Message;
using support::Origin;
using support::Wire;

namespace {

std::string policy(const std::string& kind, const std::string& spec) {
  return "---\napiVersion: security.istio.io/v1\nkind: " + kind +
         "\nmetadata: {name: p, namespace: demo}\nspec: {selector: {matchLabels: {app: edge}}, " +
         spec + "}\n";
}

// A gateway whose routes to two origins are chosen by claims.
struct Edge {
  explicit Edge(uint32_t workers) : mesh(yaml("")) {
    for (Origin* origin : {&blue, &rest})
      origin->handle([origin](const Message& request, Wire& wire) {
        return wire.send(support::response(
            200, origin->name() + " " + request.field("x-team") + request.field("x-route")));
      });
    mesh.start("edge-1", workers);
  }

  std::string yaml(const std::string& more) const {
    const auto to = [](const std::string& host) {
      return "route: [{destination: {host: " + host + "}}]";
    };
    return instance("edge", "edge-1", 9) + service("blue") +
           instance("blue", "blue-1", blue.port()) + service("rest") +
           instance("rest", "rest-1", rest.port()) +
           object("Gateway", "door",
                  "{selector: {app: edge}, servers: [{port: {number: " + std::to_string(port) +
                      ", name: http, protocol: HTTP}, hosts: ['*'], bind: 127.0.0.1}]}") +
           object(
               "VirtualService", "v",
               "{hosts: ['*'], gateways: [door], http: ["
               "{match: [{headers: {'@request.auth.claims[team]': {exact: blue}}}], " +
                   to("blue") +
                   ", headers: {request: {set: {x-route: by-claim}}}}, "
                   "{match: [{headers: {'@request.auth.claims[realm][role]': {prefix: ad}}, uri: "
                   "{prefix: /admin}}], fault: {abort: {httpStatus: 418, percentage: {value: "
                   "100}}}, " +
                   to("rest") + "}, {match: [{headers: {x-team: {exact: red}}}], " + to("blue") +
                   "}, {match: [{uri: {prefix: /open}}], " + to("rest") + "}]}") +
           policy("RequestAuthentication",
                  "jwtRules: [{issuer: i, jwks: '" + key.jwks() +
                      "', outputClaimToHeaders: [{header: x-team, claim: team}]}]") +
           more;
  }
  // The answer to who brings a token with these claims; "" none.
  std::string ask(const std::string& claims, const std::string& path = "/open",
                  std::string fields = "") const {
    if (!claims.empty()) fields += "authorization: Bearer " + key.token(claims) + "\r\n";
    const auto answer = support::get(port, path, "a.example", fields);
    return answer.status == 200 ? answer.body : std::to_string(answer.status);
  }

  const support::SigningKey key{"ES256"};
  Origin blue{"blue"};
  Origin rest{"rest"};
  const uint16_t port = support::unused_port();
  Mesh mesh;
};

}  // namespace

TEST_CASE("claims: the route is that of who the token is of", "[forwarder]") {
  const uint32_t count = workers();
  const Edge edge(count);
  struct Row {
    const char* name;
    std::string claims;
    std::string expected;
    std::string path = "/open";
    std::string fields = "";
  };
  const std::string forged = "x-team: red\r\n";
  const Row rows[] = {
      {"nobody", "", "rest "},
      {"nobody, where no route is", "", "404", "/else"},
      {"a claim", R"({"iss": "i", "team": "blue"})", "blue blueby-claim"},
      {"a claim, where no other route is", R"({"iss": "i", "team": "blue"})", "blue blueby-claim",
       "/else"},
      {"one of a list", R"({"iss": "i", "team": ["green", "blue"]})", "blue by-claim"},
      {"another value", R"({"iss": "i", "team": "green"})", "rest green"},
      {"one that is within another", R"({"iss": "i", "realm": {"role": "admin"}})", "418",
       "/admin/x"},
      {"which is another one", R"({"iss": "i", "realm": {"role": "user"}})", "404", "/admin/x"},
      {"a header made of a claim", R"({"iss": "i", "team": "red"})", "blue red"},
      {"such a header made up", "", "rest ", "/open", forged},
      {"such a header made up by who has a token", R"({"iss": "i"})", "rest ", "/open", forged},
      {"a token that has ended", R"({"iss": "i", "team": "blue", "exp": 9})", "401"},
      {"another's token", R"({"iss": "o", "team": "blue"})", "401", "/else"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(edge.ask(row.claims, row.path, row.fields) == row.expected);
  }
}

TEST_CASE("claims: who may call is judged with the route found anew", "[forwarder]") {
  const uint32_t count = workers();
  Edge edge(count);
  edge.mesh.apply(edge.yaml(
      policy("AuthorizationPolicy",
             "action: DENY, rules: [{when: [{key: 'request.auth.claims[sub]', values: [eve]}]}]")));
  CHECK(edge.ask(R"({"iss": "i", "team": "blue", "sub": "ann"})") == "blue blueby-claim");
  for (const char* const path : {"/open", "/else", "/admin/x"})
    CHECK(edge.ask(R"({"iss": "i", "team": "blue", "sub": "eve"})", path) == "403");
  CHECK(edge.ask(R"({"iss": "i", "sub": "eve"})", "/else") == "403");
}
