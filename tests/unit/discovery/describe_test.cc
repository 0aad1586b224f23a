// What bears on a service or a workload, in words: mesh(1), "describe".
#include "discovery/describe.h"

#include <catch2/catch.hpp>

#include "unit/discovery/sample.h"

using namespace mesh::discovery;

namespace {

const std::string kAsked = R"(
---
apiVersion: mesh/v1
kind: MeshConfig
metadata: {name: m, namespace: istio-system}
spec:
  extensionProviders:
  - name: opa
    envoyExtAuthzHttp: {service: web, port: 80, failOpen: true}
  - name: ldap
    envoyExtAuthzGrpc: {service: demo/ratings, port: 81, statusOnError: "503"}
  - name: lost
    envoyExtAuthzGrpc: {service: lost, port: 81}
)";

std::string policy(const std::string& name, const std::string& spec, const std::string& more = "") {
  return "\n---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: " +
         name + ", namespace: demo" + more + "}\nspec: {" + spec + "}\n";
}

// "ORIGIN: EFFECT" of each that its forwarder enforces.
std::vector<std::string> enforced(const std::string& yaml, const std::string& service,
                                  const std::string& workload) {
  const auto model = sample::model(sample::kServices + sample::kWorkloads + yaml);
  mesh::discoveryd::v1::DescribeRequest request;
  request.set_service(service);
  request.set_workload(workload);
  const auto reply = describe(*model, request);
  REQUIRE(reply);
  std::vector<std::string> lines;
  for (const auto& one : reply->own()) lines.push_back(one.origin() + ": " + one.effect());
  return lines;
}

}  // namespace

TEST_CASE("describe: policies of authorization, and who is asked", "[discovery]") {
  const std::string v1 = "selector: {matchLabels: {version: v1}}, ";
  const auto custom = [](const std::string& provider) {
    return "action: CUSTOM, provider: {name: " + provider + "}, rules: [{}]";
  };
  const std::string yaml = kAsked + policy("a", v1 + custom("opa")) + policy("b", custom("ldap")) +
                           policy("c", v1 + custom("lost")) + policy("d", v1 + custom("gone")) +
                           policy("e", v1 + "action: DENY, rules: [{}, {}]",
                                  ", annotations: {istio.io/dry-run: \"true\"}") +
                           policy("f", "");
  const std::string at = "AuthorizationPolicy/demo/";
  const std::string both = at +
                           "b: CUSTOM, rules: 1; asks ldap over gRPC at "
                           "ratings.demo.svc.cluster.local:81, and where that fails answers "
                           "503";
  const std::vector<std::string> all{
      at + "a: CUSTOM, rules: 1; asks opa over HTTP at web:80, and where that fails lets pass "
           "(failOpen)",
      both,
      at + "c: CUSTOM, rules: 1; refuses: the authorizer lost has no service",
      at + "d: CUSTOM, rules: 1; refuses: no MeshConfig has the authorizer gone",
      at + "e: DENY, dry run, rules: 2",
      at + "f: ALLOW, rules: 0"};
  CHECK(enforced(yaml, "", "reviews-v1") ==
        std::vector<std::string>{all[0], all[1], all[2], all[3], all[4], all[5],
                                 "Sidecar/demo/reviews-v1: listens on 1 ports of its own"});
  CHECK(enforced(yaml, "", "reviews-v2") == std::vector<std::string>{both, all[5]});
  CHECK(enforced(yaml, "reviews", "") == all);
  CHECK(enforced(yaml, "web", "") == std::vector<std::string>{both, all[5]});
}
