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

// Who may call a service, by its host, or a workload, by its name; without the places.
std::vector<std::string> callers(const std::string& yaml, const std::string& service,
                                 const std::string& workload = {}) {
  const auto model = sample::model(sample::kServices + sample::kWorkloads + yaml);
  mesh::discoveryd::v1::DescribeRequest request;
  request.set_service(service);
  request.set_workload(workload);
  const auto reply = describe(*model, request);
  REQUIRE(reply);
  std::vector<std::string> lines(reply->callers().begin(), reply->callers().end());
  for (std::string& line : lines)
    for (size_t at; (at = line.find(" (sample.yaml:")) != std::string::npos;)
      line.erase(at, line.find(')', at) + 1 - at);
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

TEST_CASE("describe: who may call, as far as policies say it", "[discovery]") {
  const std::string at = "AuthorizationPolicy/demo/";
  const std::string web = "from: [{source: {principals: [cluster.local/ns/demo/sa/web]}}]";
  struct Row {
    std::string policies;
    std::vector<std::string> callers;
  };
  const std::vector<Row> rows{
      {"", {"everybody"}},
      {policy("a", "rules: [{}]"), {"everybody"}},
      {policy("a", "action: AUDIT, rules: [{}]"), {"everybody"}},
      {policy("a", "action: DENY, rules: [{}]", ", annotations: {istio.io/dry-run: \"true\"}"),
       {"everybody"}},
      {policy("a", "selector: {matchLabels: {app: web}}"), {"everybody"}},
      // Nobody: without rules, or where a rule that all match denies.
      {policy("a", ""), {"nobody: " + at + "a has no rules, and allows nobody"}},
      {policy("a", "rules: [{}]") + policy("b", "action: DENY, rules: [{" + web + "}, {}]"),
       {"nobody: " + at + "b rules[1] denies all"}},
      {policy("a", "action: CUSTOM, provider: {name: lost}, rules: [{}]"),
       {"nobody: " + at + "a rules[0] has nobody to ask, and refuses all"}},
      // Some.
      {policy("a", "") + policy("b", "rules: [{" + web + "}]"),
       {"as " + at + "b rules[0] allows: principals cluster.local/ns/demo/sa/web"}},
      {policy("a", "rules: [{" + web +
                       "}, {from: [{source: {namespaces: [a, b], notPrincipals: "
                       "[c/ns/a/sa/x]}}, {source: {ipBlocks: [10.0.0.0/8]}}]}]") +
           policy("b", "action: DENY, rules: [{from: [{source: {namespaces: [b]}}]}]"),
       {"as " + at + "a rules[0] allows: principals cluster.local/ns/demo/sa/web",
        "or as " + at +
            "a rules[1] allows: namespaces a, b and notPrincipals c/ns/a/sa/x or ipBlocks "
            "10.0.0.0/8",
        "not as " + at + "b rules[0] denies: namespaces b"}},
      {policy("a",
              "rules: [{" + web +
                  ", to: [{operation: {methods: [GET], paths: [/a]}}, "
                  "{operation: {methods: [PUT]}}], when: [{key: source.ip, values: [10.0.0.1]}]}, "
                  "{to: [{operation: {ports: [\"80\"]}}]}]"),
       {"as " + at +
            "a rules[0] allows: principals cluster.local/ns/demo/sa/web, where methods, paths, "
            "source.ip match",
        "or as " + at + "a rules[1] allows: everybody, where ports matches"}},
      {policy("a", "action: CUSTOM, provider: {name: opa}, rules: [{}]"),
       {"as opa answers, which " + at + "a rules[0] asks of: everybody"}},
      {policy("a",
              "action: CUSTOM, provider: {name: gone}, rules: [{to: [{operation: {paths: "
              "[/a]}}]}]"),
       {"not as " + at +
        "a rules[0], which has nobody to ask, refuses: everybody, where paths matches"}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.policies);
    CHECK(callers(kAsked + row.policies, "reviews") == row.callers);
    CHECK(callers(kAsked + row.policies, "", "reviews-v1") == row.callers);
  }
  // A list of many values is cut, and says so.
  std::string many = "ns1";
  for (int i = 2; i <= 12; ++i) many += ", ns" + std::to_string(i);
  CHECK(callers(policy("a", "rules: [{from: [{source: {namespaces: [" + many + "]}}]}]"),
                "reviews") ==
        std::vector<std::string>{
            "as " + at +
            "a rules[0] allows: namespaces ns1, ns2, ns3, ns4, ns5, ns6, ns7, ns8, ns9, ns10 and "
            "2 more"});
}

TEST_CASE("describe: who may call where instances differ, or none has a forwarder", "[discovery]") {
  const std::string yaml = policy("a", "selector: {matchLabels: {version: v2}}");
  const std::string nobody = "nobody: AuthorizationPolicy/demo/a has no rules, and allows nobody";
  CHECK(callers(yaml, "reviews") == std::vector<std::string>{"at reviews-v1, reviews-v3: everybody",
                                                             "at reviews-v2: " + nobody});
  CHECK(callers(yaml, "", "reviews-v1") == std::vector<std::string>{"everybody"});
  CHECK(callers(yaml, "", "reviews-v2") == std::vector<std::string>{nobody});
  // Endpoints outside of the mesh enforce nothing.
  CHECK(callers(policy("a", ""), "legacy.example.org") == std::vector<std::string>{"everybody"});
  CHECK(enforced(policy("a", ""), "legacy.example.org", "") == std::vector<std::string>{});

  const auto service = [](const std::string& exported) {
    return "\n---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: s, "
           "namespace: demo}\nspec: {hosts: [s], location: MESH_INTERNAL, resolution: STATIC, "
           "ports: [{number: 80, name: http, protocol: HTTP}], exportTo: [" +
           exported + "], workloadSelector: {labels: {app: s}}}\n";
  };
  CHECK(callers(service("\"*\""), "s") == std::vector<std::string>{"everybody"});
  CHECK(callers(service("., other"), "s") ==
        std::vector<std::string>{"forwarders of namespace demo, other (exportTo)"});
  CHECK(callers(service("\"~\""), "s") ==
        std::vector<std::string>{"nobody by its name (exportTo \"~\")"});
  // It has no instances: what one would find, and what else restricts callers.
  CHECK(callers(service(".") + policy("a", ""), "s") ==
        std::vector<std::string>{nobody, "forwarders of namespace demo (exportTo)"});
}
