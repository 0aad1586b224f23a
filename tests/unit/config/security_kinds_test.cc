// What the kinds of security.istio.io may say: mesh-authorization(7).
#include <catch2/catch.hpp>

#include "unit/config/said.h"

using namespace mesh;

namespace {

using Row = testing::Saying;

std::string said(const std::string& kind, const std::string& spec, const std::string& metadata) {
  return testing::said_of("security.istio.io/v1", kind, spec, metadata);
}

void check(const std::string& kind, std::span<const Row> rows) {
  testing::check_sayings("security.istio.io/v1", kind, rows);
}

std::string source(const std::string& s) { return "rules: [{from: [{source: {" + s + "}}]}]"; }
std::string operation(const std::string& s) { return "rules: [{to: [{operation: {" + s + "}}]}]"; }
std::string when(const std::string& key, const std::string& values) {
  return "rules: [{when: [{key: \"" + key + "\", values: [" + values + "]}]}]";
}

}  // namespace

TEST_CASE("object: AuthorizationPolicy, what DENY does to connections without HTTP", "[config]") {
  const std::string every =
      "spec.rules[0]: denies every connection to ports that do not speak HTTP, for it asks for "
      "nothing else; name the ports";
  const std::string theirs =
      "spec.rules[0]: denies every connection of these sources to ports that do not speak HTTP, "
      "whatever else it asks for; name the ports";
  const std::string paths = "to: [{operation: {paths: [/x]}}]";
  const auto from = [](const std::string& s) { return "from: [{source: {" + s + "}}], "; };
  struct {
    const char* because;
    std::string rule;
    std::string want;
  } rows[] = {
      {"paths alone", paths, every},
      {"tokens alone", "from: [{source: {requestPrincipals: [a/b]}}]", every},
      {"headers alone", "when: [{key: \"request.headers[a]\", values: [b]}]", every},
      {"a principal and paths", from("principals: [a/ns/b/sa/c]") + paths, theirs},
      {"all but a principal", from("notPrincipals: [a/ns/b/sa/c]") + paths, theirs},
      {"a namespace by condition", paths + ", when: [{key: source.namespace, values: [a]}]",
       theirs},
      {"a principal, or a token",
       "from: [{source: {principals: [a]}}, {source: {requestPrincipals: [b]}}], " + paths, every},
      {"a principal with a token", from("principals: [a], requestPrincipals: [b]") + paths, theirs},
      {"ports", "to: [{operation: {paths: [/x], ports: [\"80\"]}}]", ""},
      {"a port by condition", paths + ", when: [{key: destination.port, values: [\"80\"]}]", ""},
      {"ports of one operation, and not of another",
       "to: [{operation: {paths: [/x], ports: [\"80\"]}}, {operation: {paths: [/y]}}]", every},
      {"a principal alone", "from: [{source: {principals: [a]}}]", ""},
      {"everything", "", ""},
  };
  for (const auto& row : rows) {
    INFO(row.because);
    config::Problems problems("f.yaml");
    std::vector<config::v1::Object> objects;
    config::read_objects(testing::object_text("security.istio.io/v1", "AuthorizationPolicy",
                                              "action: DENY, rules: [{" + row.rule + "}]"),
                         problems, objects);
    CHECK(problems.lines().empty());
    std::string warned;
    for (const std::string& line : problems.warnings())
      warned += line.substr(line.find("default/x: ") + 11);
    CHECK(warned == row.want);
  }
}

TEST_CASE("object: AuthorizationPolicy", "[config]") {
  const Row rows[] = {
      {"allow nothing", "", ""},
      {"allow everything", "rules: [{}]", ""},
      {"every field",
       "selector: {matchLabels: {app: a}}, action: DENY, rules: [{from: [{source: {principals: "
       "[\"*\"], notPrincipals: [a/ns/b/sa/c], requestPrincipals: [\"i/*\"], "
       "notRequestPrincipals: [i/s], namespaces: [a], notNamespaces: [b], ipBlocks: [10.0.0.0/8], "
       "notIpBlocks: [10.0.0.1], remoteIpBlocks: [\"::1\"], notRemoteIpBlocks: "
       "[\"2001:db8::/32\"], trustDomains: [a], notTrustDomains: [\"*.b\"]}}, {source: "
       "{serviceAccounts: [a, b/c], notServiceAccounts: [d]}}], to: [{operation: {hosts: "
       "[\"*.a\"], notHosts: [b], ports: [\"80\"], notPorts: [\"81\"], methods: [GET], notMethods: "
       "[PUT], paths: [\"/a*\", \"/b/{*}/{**}\"], notPaths: [\"*/c\"]}}], when: [{key: "
       "\"request.auth.claims[a][b]\", values: [c], notValues: [d]}]}]",
       ""},
      {"custom", "action: CUSTOM, provider: {name: opa}, rules: [{}]", ""},
      {"custom, all that it may ask",
       "action: CUSTOM, provider: {name: opa}, rules: [{from: [{source: {ipBlocks: [10.0.0.0/8], "
       "remoteIpBlocks: [\"::1\"]}}], to: [{operation: {hosts: [a], ports: [\"80\"], methods: "
       "[GET], paths: [\"/a*\"]}}], when: [{key: \"request.headers[a]\", values: [b]}, {key: "
       "source.ip, values: [10.0.0.1]}]}]",
       ""},
      {"custom without a provider", "action: CUSTOM, rules: [{}]",
       "spec.provider: expected the name of one of MeshConfig's extensionProviders"},
      {"custom without rules", "action: CUSTOM, provider: {name: opa}",
       "spec.rules: CUSTOM without rules never asks; write an empty rule, {}, to ask of "
       "everything"},
      {"a provider of another action", "action: DENY, provider: {name: opa}, rules: [{}]",
       "spec.provider: is for action CUSTOM alone"},
      {"custom by who calls", "action: CUSTOM, provider: {name: opa}, " + source("principals: [a]"),
       "spec.rules[0].from[0].source.principals: is not for action CUSTOM: its rules do not ask "
       "who calls"},
      {"custom by a claim",
       "action: CUSTOM, provider: {name: opa}, " + when("request.auth.claims[a]", "b"),
       "spec.rules[0].when[0].key: is not for action CUSTOM: its rules do not ask who calls"},
      {"deny nothing", "action: DENY",
       "spec.rules: DENY without rules never denies; write an empty rule, {}, to deny everything"},
      {"two ways to choose",
       "selector: {matchLabels: {a: b}}, targetRefs: [{group: networking.istio.io, kind: "
       "ServiceEntry, name: a}]",
       "spec: expected one of selector, targetRef and targetRefs"},
      {"another target", "targetRefs: [{kind: Service, name: a}]",
       "spec.targetRefs[0]: expected a ServiceEntry or a Gateway of networking.istio.io, got "
       "\"/Service\"; use a selector for others"},
      {"a Gateway", "targetRefs: [{group: networking.istio.io, kind: Gateway, name: door}]", ""},
      {"a Gateway by the group that Istio takes",
       "targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: door}]", ""},
      {"a ServiceEntry of that",
       "targetRefs: [{group: gateway.networking.k8s.io, kind: ServiceEntry, name: door}]",
       "spec.targetRefs[0]: expected a ServiceEntry or a Gateway of networking.istio.io, got "
       "\"gateway.networking.k8s.io/ServiceEntry\"; use a selector for others"},
      {"no source", "rules: [{from: [{}]}]", "spec.rules[0].from[0]: expected source"},
      {"an empty source", source(""), "spec.rules[0].from[0].source: expected at least one field"},
      {"an empty value", source("principals: [\"\"]"),
       "spec.rules[0].from[0].source.principals[0]: expected a value, got \"\""},
      {"a star within", source("principals: [a*b]"),
       "spec.rules[0].from[0].source.principals[0]: expected a text, \"prefix*\", \"*suffix\" or "
       "\"*\", got \"a*b\""},
      {"no address", source("ipBlocks: [10.0.0.0/33]"),
       "spec.rules[0].from[0].source.ipBlocks[0]: expected an IP address or a CIDR range, got "
       "\"10.0.0.0/33\""},
      {"accounts with namespaces", source("serviceAccounts: [a], namespaces: [b]"),
       "spec.rules[0].from[0].source: serviceAccounts name their namespace: not together with "
       "principals or namespaces"},
      {"an account in three parts", source("notServiceAccounts: [a/b/c]"),
       "spec.rules[0].from[0].source.notServiceAccounts[0]: expected SERVICE-ACCOUNT or "
       "NAMESPACE/SERVICE-ACCOUNT, got \"a/b/c\""},
      {"a trust domain with a path", source("trustDomains: [a/b]"),
       "spec.rules[0].from[0].source.trustDomains[0]: expected a trust domain, with * at most at "
       "one end, got \"a/b\""},
      {"an empty operation", operation(""),
       "spec.rules[0].to[0].operation: expected at least one field"},
      {"no port", operation("ports: [http]"),
       "spec.rules[0].to[0].operation.ports[0]: expected a port from 0 to 65535, got \"http\""},
      {"a template within a segment", operation("paths: [\"/a{*}\"]"),
       "spec.rules[0].to[0].operation.paths[0]: expected segments of {*}, {**} or text, got "
       "\"/a{*}\""},
      {"another template", operation("paths: [\"/{a}\"]"),
       "spec.rules[0].to[0].operation.paths[0]: expected {*} or {**}, a segment each, got "
       "\"/{a}\""},
      {"the rest, not at the end", operation("notPaths: [\"/{**}/a\"]"),
       "spec.rules[0].to[0].operation.notPaths[0]: expected {**} at the end, got \"/{**}/a\""},
      {"no values", "rules: [{when: [{key: source.ip}]}]",
       "spec.rules[0].when[0]: expected values or notValues"},
      {"an unknown key", when("source.ips", "a"),
       "spec.rules[0].when[0].key: unknown attribute \"source.ips\"; did you mean source.ip?"},
      {"a header without a name", when("request.headers[]", "a"),
       "spec.rules[0].when[0].key: expected request.headers[NAME], got \"request.headers[]\""},
      {"a claim without an end", when("request.auth.claims[a", "a"),
       "spec.rules[0].when[0].key: expected request.auth.claims[NAME] or [NAME][NAME], got "
       "\"request.auth.claims[a\""},
      {"Envoy's metadata", when("experimental.envoy.filters.a[b]", "a"),
       "spec.rules[0].when[0].key: not supported: what other filters have found out; use claims of "
       "tokens or headers"},
      {"no address in when", when("remote.ip", "a"),
       "spec.rules[0].when[0].values[0]: expected an IP address or a CIDR range, got \"a\""},
  };
  check("AuthorizationPolicy", rows);
}

TEST_CASE("object: RequestAuthentication", "[config]") {
  const std::string keys =
      "jwks: '{\"keys\": [{\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"x\": "
      "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}'";
  const auto rule = [&](const std::string& more) {
    return "jwtRules: [{issuer: i, " + keys + (more.empty() ? "" : ", ") + more + "}]";
  };
  const Row rows[] = {
      {"nothing", "", ""},
      {"the least", rule(""), ""},
      {"every field",
       rule("audiences: [a], fromHeaders: [{name: x-a, prefix: \"B \"}], fromParams: [t], "
            "fromCookies: [c], outputPayloadToHeader: x-p, forwardOriginalToken: true, "
            "outputClaimToHeaders: [{header: x-b, claim: a.b}], spaceDelimitedClaims: [roles]"),
       ""},
      {"no issuer", "jwtRules: [{" + keys + "}]",
       "spec.jwtRules[0].issuer: expected the issuer of the tokens"},
      {"no keys", "jwtRules: [{issuer: i}]",
       "spec.jwtRules[0]: expected jwks or jwksUri: the issuer is no URL that could be asked for "
       "them"},
      {"an issuer that is asked", "jwtRules: [{issuer: \"https://i/\"}]", ""},
      {"secrets as keys", "jwtRules: [{issuer: i, jwks: '{\"keys\": [{\"kty\": \"oct\"}]}'}]",
       "spec.jwtRules[0].jwks: expected a set of keys: no key that signatures can be verified "
       "with"},
      {"keys elsewhere", "jwtRules: [{issuer: i, jwksUri: \"https://i/keys\", timeout: 10s}]", ""},
      {"keys nowhere", "jwtRules: [{issuer: i, jwksUri: \"file:///keys\"}]",
       "spec.jwtRules[0].jwksUri: expected http://HOST... or https://HOST..., got "
       "\"file:///keys\""},
      {"a password in the URL", "jwtRules: [{issuer: i, jwksUri: \"https://a:b@i/keys\"}]",
       "spec.jwtRules[0].jwksUri: expected http://HOST... or https://HOST..., got "
       "\"https://a:b@i/keys\""},
      {"no time", "jwtRules: [{issuer: i, jwksUri: \"https://i/keys\", timeout: 61s}]",
       "spec.jwtRules[0].timeout: expected at most 60s"},
      {"no header", rule("fromHeaders: [{name: \"a b\"}]"),
       "spec.jwtRules[0].fromHeaders[0].name: expected the name of a header, got \"a b\""},
      {"an empty audience", rule("audiences: [\"\"]"),
       "spec.jwtRules[0].audiences[0]: expected an audience, got \"\""},
      {"a claim without a name", rule("outputClaimToHeaders: [{header: a}]"),
       "spec.jwtRules[0].outputClaimToHeaders[0].claim: expected the name of a claim"},
  };
  check("RequestAuthentication", rows);
}

TEST_CASE("object: a dry run is of ALLOW and DENY policies", "[config]") {
  const auto annotated = [](const std::string& value) {
    return "name: x, annotations: {\"istio.io/dry-run\": \"" + value + "\"}";
  };
  CHECK(said("AuthorizationPolicy", "", annotated("true")).empty());
  CHECK(said("AuthorizationPolicy", "", annotated("1")) ==
        "metadata.annotations[\"istio.io/dry-run\"]: expected \"true\" or \"false\", got \"1\"");
  CHECK(said("AuthorizationPolicy", "action: AUDIT", annotated("true")) ==
        "metadata.annotations[\"istio.io/dry-run\"]: is for ALLOW and DENY alone: AUDIT refuses "
        "nothing");
  CHECK(said("PeerAuthentication", "", annotated("true")) ==
        "metadata.annotations: istio.io/dry-run is for an AuthorizationPolicy alone");
}
