// Policies of authorization, whom they need, and whom they are about: mesh-analyze(1).
#include "unit/config/analyzed.h"

using namespace mesh;
using namespace mesh::analyzed;

namespace {

std::string policy(const std::string& rules, const std::string& more = "",
                   const std::string& ns = "default") {
  return object("AuthorizationPolicy", "p",
                "action: CUSTOM, provider: {name: opa}, " + more + "rules: [" + rules + "]", ns);
}

std::string mesh_config(const std::string& kind, const std::string& provider) {
  return "---\napiVersion: mesh/v1\nkind: MeshConfig\nmetadata: {name: m, namespace: "
         "istio-system}\nspec: {extensionProviders: [{name: opa, " +
         kind + ": {" + provider + "}}]}\n";
}

}  // namespace

TEST_CASE("analyze: providers of authorization", "[config]") {
  const std::string custom = policy("{to: [{operation: {ports: [\"80\"]}}]}");
  CHECK(found(kWeb + custom + mesh_config("envoyExtAuthzHttp", "service: default/web, port: 80")) ==
        Lines{});
  CHECK(found(kWeb + custom + mesh_config("envoyExtAuthzHttp", "service: web, port: 80")) ==
        Lines{});
  CHECK(found(kWeb + custom) ==
        Lines{"M111 spec.provider.name: no MeshConfig has the authorizer \"opa\" among its "
              "extensionProviders: what the rules match is refused"});
  CHECK(
      found(kWeb + custom + mesh_config("envoyExtAuthzHttp", "service: default/none, port: 80")) ==
      Lines{"M101 spec.extensionProviders[0].envoyExtAuthzHttp.service: no ServiceEntry has the "
            "host none"});
  CHECK(found(kWeb + custom + mesh_config("envoyExtAuthzHttp", "service: default/web, port: 81")) ==
        Lines{"M103 spec.extensionProviders[0].envoyExtAuthzHttp.port: web has no port 81: "
              "ServiceEntry default/web (f.yaml:2:1)"});
}

TEST_CASE("analyze: ports where no authorizer can be asked", "[config]") {
  const std::string http = kWeb + mesh_config("envoyExtAuthzHttp", "service: web, port: 80");
  const std::string grpc = kWeb + mesh_config("envoyExtAuthzGrpc", "service: web, port: 80");
  const auto told = [](int rule, int port) {
    return "M112 spec.rules[" + std::to_string(rule) +
           "]: nobody is asked about connections to port " + std::to_string(port) +
           ", for the authorizer is one over HTTP, and they pass: ServiceEntry default/web "
           "(f.yaml:2:1)";
  };
  const Lines pass{told(0, 9000)};
  const std::string path = "{to: [{operation: {paths: [/a]}}]}";
  const std::string entry = "targetRefs: [{group: networking.istio.io, kind: ServiceEntry, name: ";
  check({
      {"everything, over HTTP", http + policy("{}"), pass},
      {"everything, over gRPC", grpc + policy("{}"), {}},
      {"the port", http + policy("{to: [{operation: {ports: [\"9000\"]}}]}"), pass},
      {"the other port", http + policy("{to: [{operation: {ports: [\"80\"]}}]}"), {}},
      {"all but the port", http + policy("{to: [{operation: {notPorts: [\"9000\"]}}]}"), {}},
      {"the port, by a condition",
       http + policy("{when: [{key: destination.port, values: [\"9000\"]}]}"), pass},
      {"the other port, by a condition",
       http + policy("{when: [{key: destination.port, values: [\"80\"]}]}"),
       {}},
      {"paths, over HTTP", http + policy(path), {}},
      {"paths, over gRPC", grpc + policy(path), {}},
      {"headers, over HTTP",
       http + policy("{when: [{key: \"request.headers[a]\", values: [b]}]}"),
       {}},
      {"each rule", http + policy(path + ", {}"), {told(1, 9000)}},
      {"its workloads", http + policy("{}", "selector: {matchLabels: {app: web}}, "), pass},
      {"other workloads",
       http + object("WorkloadEntry", "b-1", "address: 127.0.0.3, labels: {app: b}") +
           policy("{}", "selector: {matchLabels: {app: b}}, "),
       {}},
      {"its service", http + policy("{}", entry + "web}], "), pass},
      {"another service",
       http +
           object("ServiceEntry", "b",
                  "hosts: [b], resolution: STATIC, ports: [{number: 80, "
                  "name: http, protocol: HTTP}]") +
           policy("{}", entry + "b}], "),
       {}},
      {"another namespace", http + policy("{}", "", "other"), {}},
      {"the whole mesh", http + policy("{}", "", "istio-system"), pass},
      {"a workload's own number",
       http +
           object("WorkloadEntry", "web-2",
                  "address: 127.0.0.3, labels: {app: web}, ports: {raw: 9001}") +
           policy("{to: [{operation: {ports: [\"9001\"]}}]}"),
       {told(0, 9001)}},
  });
}

TEST_CASE("analyze: policies that ask for tokens which nobody verifies", "[config]") {
  const auto people = [](const std::string& rule, const std::string& more = "") {
    return kWeb + object("AuthorizationPolicy", "p", more + "rules: [{}, " + rule + "]");
  };
  const auto tokens = [](const std::string& more, const std::string& ns = "default") {
    return object("RequestAuthentication", "t",
                  more + "jwtRules: [{issuer: \"https://i.example\"}]", ns);
  };
  const std::string claim = "{when: [{key: \"request.auth.claims[a]\", values: [b]}]}";
  const std::string web = "selector: {matchLabels: {app: web}}, ";
  const std::string second =
      object("WorkloadEntry", "web-2", "address: 127.0.0.3, labels: {app: web, v: b}");
  const std::string says =
      ": no token is known: no RequestAuthentication is for the policy's workloads";
  const std::string key = "M203 spec.rules[1].when[0].key";
  check({
      {"a claim", people(claim), {key + says}},
      {"of known workloads", people(claim, web), {key + says}},
      {"who calls",
       people("{from: [{source: {requestPrincipals: [\"*\"]}}]}"),
       {"M203 spec.rules[1].from[0].source.requestPrincipals" + says}},
      {"who does not",
       people("{from: [{source: {notRequestPrincipals: [\"*\"]}}]}"),
       {"M203 spec.rules[1].from[0].source.notRequestPrincipals" + says}},
      {"a header", people("{when: [{key: \"request.headers[a]\", values: [b]}]}"), {}},
      {"verified", people(claim, web) + tokens(web), {}},
      {"verified in the namespace", people(claim, web) + tokens(""), {}},
      {"verified in the mesh", people(claim) + tokens("", "istio-system"), {}},
      {"verified elsewhere", people(claim, web) + tokens("", "other"), {key + says}},
      {"verified at one of two",
       people(claim, web) + second + tokens("selector: {matchLabels: {v: b}}, "),
       {key + ": no token is known at WorkloadEntry default/web-1: no RequestAuthentication is for "
              "it"}},
  });
}
