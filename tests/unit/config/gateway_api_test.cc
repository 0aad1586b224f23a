// What HTTPRoutes and GRPCRoutes may say: mesh-config(5), "KINDS".
#include "unit/config/said.h"

using namespace mesh;

namespace {

constexpr const char* kVersion = "gateway.networking.k8s.io/v1";

// An HTTPRoute with one rule of these fields.
std::string rule(const std::string& fields) {
  return "parentRefs: [{name: door}], rules: [{" + fields + "}]";
}
const std::string kTo = "backendRefs: [{name: web, port: 80}]";
std::string filter(const std::string& fields) {
  return rule(kTo + ", filters: [{" + fields + "}]");
}

}  // namespace

TEST_CASE("object: HTTPRoute", "[config]") {
  const testing::Saying rows[] = {
      {"the least", rule(kTo), ""},
      {"parents of both kinds",
       "parentRefs: [{name: door, namespace: edge, port: 80}, {group: networking.istio.io, kind: "
       "Gateway, name: door, sectionName: http}, {group: \"\", kind: Service, name: web, port: "
       "80}], hostnames: [a.example, \"*.b.example\"], rules: [{}]",
       ""},
      {"no parent", "rules: [{}]", "spec.parentRefs: expected at least one Gateway or Service"},
      {"no rule", "parentRefs: [{name: door}]", "spec.rules: expected at least one rule"},
      {"more rules than the API has",
       "parentRefs: [{name: door}], rules: [{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, "
       "{}, "
       "{}, {}, {}]",
       "spec.rules: expected at most 16, got 17"},
      {"a parent of another kind", "parentRefs: [{kind: Mesh, name: a}], rules: [{}]",
       "spec.parentRefs[0]: expected a Gateway or a Service, got \"Mesh\""},
      {"a section of a service",
       "parentRefs: [{kind: Service, name: a, sectionName: b}], rules: [{}]",
       "spec.parentRefs[0].sectionName: a Service has ports: name one by port"},
      {"gateways by default", "useDefaultGateways: All, rules: [{}]",
       "spec.useDefaultGateways: not supported: gateways by default; name parentRefs"},
      {"every host", "hostnames: [\"*\"], " + rule(kTo),
       "spec.hostnames[0]: leave hostnames out for every host"},
      {"a path", rule("matches: [{path: {value: a}}]"),
       "spec.rules[0].matches[0].path.value: expected a path that begins with /, without query or "
       "//, got \"a\""},
      {"a regex", rule("matches: [{path: {type: RegularExpression, value: \"(\"}}]"),
       "spec.rules[0].matches[0].path.value: regex \"(\": missing ): ("},
      {"a header twice", rule("matches: [{headers: [{name: a, value: b}, {name: A, value: c}]}]"),
       "spec.rules[0].matches[0].headers[1].name: \"A\" is there twice"},
      {"a backend of another kind", rule("backendRefs: [{kind: Bucket, name: a, port: 80}]"),
       "spec.rules[0].backendRefs[0]: expected a Service, or a Hostname of networking.istio.io, "
       "got "
       "\"Bucket\""},
      {"a backend without a port", rule("backendRefs: [{name: a}]"),
       "spec.rules[0].backendRefs[0].port: expected a port from 1 to 65535, got 0"},
      {"a filter without its type", filter("requestHeaderModifier: {remove: [a]}"),
       "spec.rules[0].filters[0].type: expected the type of the filter"},
      {"a filter without its field", filter("type: URLRewrite"),
       "spec.rules[0].filters[0].urlRewrite: is needed with type URLRewrite"},
      {"a filter with another's field",
       filter("type: RequestHeaderModifier, requestHeaderModifier: {remove: [a]}, cors: {}"),
       "spec.rules[0].filters[0].cors: is not for type RequestHeaderModifier"},
      {"a filter of other implementations", filter("type: ExtensionRef"),
       "spec.rules[0].filters[0].type: ExtensionRef is not supported: filters of other "
       "implementations; use a VirtualService"},
      {"an authorization server", filter("externalAuth: {}"),
       "spec.rules[0].filters[0].externalAuth: not supported: an authorization server; use an "
       "AuthorizationPolicy"},
      {"a prefix that is not there",
       rule("matches: [{path: {type: Exact, value: /a}}], " + kTo +
            ", filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, "
            "replacePrefixMatch: /b}}}]"),
       "spec.rules[0].filters[0].urlRewrite.path.type: ReplacePrefixMatch needs matches by "
       "PathPrefix alone"},
      {"a redirect and a backend",
       filter("type: RequestRedirect, requestRedirect: {scheme: https}"),
       "spec.rules[0].backendRefs: do nothing with RequestRedirect"},
      {"a redirect of another status",
       rule("filters: [{type: RequestRedirect, requestRedirect: {statusCode: 300}}]"),
       "spec.rules[0].filters[0].requestRedirect.statusCode: expected 301, 302, 303, 307 or 308"},
      {"a header of the host",
       filter(
           "type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: Host, value: a}]}"),
       "spec.rules[0].filters[0].requestHeaderModifier.set[0].name: expected the name of a header "
       "other than host, got \"Host\""},
      {"a share over all",
       filter("type: RequestMirror, requestMirror: {backendRef: {name: a, port: 1}, fraction: "
              "{numerator: 2, denominator: 1}}"),
       "spec.rules[0].filters[0].requestMirror.fraction: expected numerator from 0 to denominator, "
       "which is over 0"},
      {"a try that is longer than all", rule(kTo + ", timeouts: {request: 1s, backendRequest: 2s}"),
       "spec.rules[0].timeouts.backendRequest: is longer than request"},
      {"a filter of a backend",
       rule("backendRefs: [{name: a, port: 1, filters: [{type: URLRewrite, urlRewrite: {}}]}]"),
       "spec.rules[0].backendRefs[0].filters[0]: not supported: of a backend only header "
       "modifiers; "
       "use the rule's filters"},
      {"sessions", rule("sessionPersistence: {}"), ""},
      {"sessions for a time",
       rule("sessionPersistence: {sessionName: shop, type: Cookie, absoluteTimeout: 1h, "
            "cookieConfig: {lifetimeType: Permanent}}"),
       ""},
      {"sessions by a header", rule("sessionPersistence: {sessionName: x-shop, type: Header}"), ""},
      {"a session's name", rule("sessionPersistence: {sessionName: a b}"),
       "spec.rules[0].sessionPersistence.sessionName: expected a name of letters, digits and such "
       "as - and _, at most 128 bytes, got \"a b\""},
      {"a cookie of a header",
       rule("sessionPersistence: {type: Header, cookieConfig: {lifetimeType: Session}}"),
       "spec.rules[0].sessionPersistence.cookieConfig: is for type Cookie"},
      {"a permanent cookie for ever",
       rule("sessionPersistence: {cookieConfig: {lifetimeType: Permanent}}"),
       "spec.rules[0].sessionPersistence.absoluteTimeout: is needed with lifetimeType Permanent"},
      {"a browser's session for a time", rule("sessionPersistence: {absoluteTimeout: 1h}"),
       "spec.rules[0].sessionPersistence.absoluteTimeout: not supported: but for cookies of "
       "lifetimeType Permanent"},
      {"sessions that rest", rule("sessionPersistence: {idleTimeout: 1h}"),
       "spec.rules[0].sessionPersistence.idleTimeout: not supported: what clients hold does not "
       "know when it was last used; use absoluteTimeout"},
  };
  testing::check_sayings(kVersion, "HTTPRoute", rows);
}

TEST_CASE("object: GRPCRoute", "[config]") {
  const testing::Saying rows[] = {
      {"the least", rule(kTo), ""},
      {"matches",
       rule("matches: [{method: {service: a.B, method: C}, headers: [{name: a, value: b}]}, "
            "{method: "
            "{type: RegularExpression, service: \"a.*\"}}]"),
       ""},
      {"no method", rule("matches: [{method: {type: Exact}}]"),
       "spec.rules[0].matches[0].method: expected service, method or both"},
      {"a method that is none", rule("matches: [{method: {method: a/b}}]"),
       "spec.rules[0].matches[0].method.method: expected a name, got \"a/b\""},
      {"a filter of HTTPRoutes", filter("urlRewrite: {}"),
       "spec.rules[0].filters[0]: unknown field \"urlRewrite\""},
  };
  testing::check_sayings(kVersion, "GRPCRoute", rows);
}
