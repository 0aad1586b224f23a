// AuthorizationPolicy, from YAML to a decision: what is compiled is decoded, and asked.
#include <catch2/catch.hpp>

#include "authz/ext_authz.h"
#include "authz/rules.h"
#include "unit/discovery/sample.h"
#include "xds/decode.h"

namespace {

using namespace mesh;
using namespace mesh::discovery;

template <class T>
T value(Result<T> result) {
  if (!result) FAIL(result.error().text);
  return *std::move(result);
}

std::shared_ptr<const xds::Listener> inbound(const std::string& yaml, const char* node,
                                             const std::string& port) {
  for (const auto& r : compile_listeners(*sample::model(yaml), sample::node(node)))
    if (r.name.starts_with("inbound|") && r.name.ends_with("|" + port))
      return value(xds::decode_listener(*r.body));
  FAIL("no inbound listener of port " << port);
  return nullptr;
}

const std::string kTcp = R"(
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: store, namespace: demo}
spec:
  hosts: [store]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 6379, name: tcp, protocol: TCP}]
  workloadSelector: {labels: {app: store}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: store-1, namespace: demo}
spec: {address: 10.0.0.8, labels: {app: store}, serviceAccount: store}
)";

std::string policy(const std::string& spec, const std::string& metadata = "name: p") {
  return "\n---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {" +
         metadata + (metadata.find("namespace") == std::string::npos ? ", namespace: demo" : "") +
         "}\nspec: " + spec + "\n";
}

// A call as the forwarder knows it; what is not said is usual.
struct Call {
  std::string principal = "spiffe://cluster.local/ns/demo/sa/web";
  std::string path = "/api/users/7?x=1";
  std::string method = "GET";
  std::string authority = "Ratings.example:80";
  std::string sni = "s.example";
  std::string direct_remote = "10.0.0.5";
  std::string remote = "192.0.2.7";
  uint16_t port = 80;
  std::string payload = {};
  std::vector<http::Field> fields = {};
};

// The details of the refusal, or "" where the chain's filters let it pass.
std::string judged(const xds::FilterChain& chain, const Call& call) {
  http::Fields fields;
  for (const auto& f : call.fields) fields.add(f.name, f.value);
  json::Value payload;
  if (!call.payload.empty()) payload = value(json::parse(call.payload));
  const route::TokenClaims token{.name = "payload", .payload = &payload};
  const authz::Connection connection{.principal = call.principal,
                                     .secure = !call.principal.empty(),
                                     .server_name = call.sni,
                                     .direct_remote = authz::Ip::parse(call.direct_remote),
                                     .remote = authz::Ip::parse(call.direct_remote),
                                     .destination = authz::Ip::parse("10.0.0.9"),
                                     .destination_port = call.port};
  const route::Request http{.authority = call.authority,
                            .method = call.method,
                            .scheme = "http",
                            .path = call.path,
                            .fields = &fields};
  const authz::Request request{.connection = connection,
                               .http = chain.tcp ? nullptr : &http,
                               .remote = authz::Ip::parse(call.remote),
                               .claims = {&token, call.payload.empty() ? 0U : 1U}};
  std::vector<std::shared_ptr<const authz::Rbac>> filters = chain.network_rbac;
  for (const auto& filter : chain.http_filters)
    if (const auto* rbac = route::value_of<authz::Rbac>(filter.config.get()))
      filters.push_back({filter.config, rbac});
  for (const auto& filter : filters) {
    if (filter->rules == nullptr) continue;
    const auto decision = filter->rules->decide(request);
    if (!decision.allowed) return std::string(filter->rules->details(decision));
  }
  return "";
}

std::string judged(const std::string& policies, const Call& call = {}) {
  return judged(inbound(sample::kAll + policies, "ratings-1", "80")->filter_chains[0], call);
}

bool allowed(const std::string& rule, const Call& call = {}) {
  return judged(policy("{rules: [" + rule + "]}"), call).empty();
}

std::string from(const std::string& source) { return "{from: [{source: {" + source + "}}]}"; }
std::string to(const std::string& operation) { return "{to: [{operation: {" + operation + "}}]}"; }
std::string when(const std::string& key, const std::string& values) {
  return "{when: [{key: \"" + key + "\", values: [" + values + "]}]}";
}
std::string when_not(const std::string& key, const std::string& values) {
  return "{when: [{key: \"" + key + "\", notValues: [" + values + "]}]}";
}

constexpr const char* kNone = "rbac_access_denied_matched_policy[none]";

}  // namespace

TEST_CASE("authorization: each field of a source and of an operation, and its not twin",
          "[discovery]") {
  struct Row {
    const char* name;
    const char* values;
    bool holds;
  };
  const Row sources[] = {
      {"principals", "cluster.local/ns/demo/sa/web", true},
      {"principals", "cluster.local/ns/demo/sa/we", false},
      {"principals", "\"*/sa/web\"", true},
      {"principals", "\"cluster.local/ns/demo/*\"", true},
      {"principals", "\"*\"", true},
      {"principals", "a/ns/demo/sa/web, cluster.local/ns/demo/sa/web", true},
      {"namespaces", "demo", true},
      {"namespaces", "dem", false},
      {"namespaces", "\"d*o\"", true},
      {"serviceAccounts", "web", true},
      {"serviceAccounts", "demo/web", true},
      {"serviceAccounts", "other/web", false},
      {"serviceAccounts", "we", false},
      {"trustDomains", "cluster.local", true},
      {"trustDomains", "\"cluster*\"", true},
      {"trustDomains", "local", false},
      {"ipBlocks", "10.0.0.0/24", true},
      {"ipBlocks", "10.0.0.5", true},
      {"ipBlocks", "192.0.2.7", false},
      {"remoteIpBlocks", "192.0.2.7", true},
      {"remoteIpBlocks", "10.0.0.0/24, \"2001:db8::/32\"", false},
      {"requestPrincipals", "iss/sub", true},
      {"requestPrincipals", "\"*\"", true},
      {"requestPrincipals", "\"iss/*\"", true},
      {"requestPrincipals", "\"*/sub\"", true},
      {"requestPrincipals", "iss/other", false},
  };
  const Row operations[] = {
      {"hosts", "\"ratings.example:80\"", true},
      {"hosts", "ratings.example", false},
      {"hosts", "\"ratings.*\"", true},
      {"hosts", "\"*.EXAMPLE:80\"", true},
      {"ports", "\"80\"", true},
      {"ports", "\"81\"", false},
      {"methods", "GET, POST", true},
      {"methods", "get", false},
      {"methods", "\"G*\"", true},
      {"paths", "/api/users/7", true},
      {"paths", "\"/api/*\"", true},
      {"paths", "\"*/7\"", true},
      {"paths", "\"/api/users/{*}\"", true},
      {"paths", "\"/api/{**}\"", true},
      {"paths", "\"/{*}/{*}\"", false},
  };
  Call call;
  call.payload = R"({"iss": "iss", "sub": "sub"})";
  const auto twin = [](std::string name) {
    name[0] = char(name[0] - 'a' + 'A');
    return "not" + name;
  };
  for (const Row& row : sources) DYNAMIC_SECTION(row.name << " " << row.values) {
      const std::string list = ": [" + std::string(row.values) + "]";
      CHECK(allowed(from(row.name + list), call) == row.holds);
      CHECK(allowed(from(twin(row.name) + list), call) != row.holds);
    }
  for (const Row& row : operations) DYNAMIC_SECTION(row.name << " " << row.values) {
      const std::string list = ": [" + std::string(row.values) + "]";
      CHECK(allowed(to(row.name + list), call) == row.holds);
      CHECK(allowed(to(twin(row.name) + list), call) != row.holds);
    }
}

TEST_CASE("authorization: each key of when", "[discovery]") {
  struct Row {
    const char* key;
    const char* values;
    bool holds;
  };
  const Row rows[] = {
      {"request.headers[X-Team]", "a", true},
      {"request.headers[x-team]", "\"*\"", true},
      {"request.headers[x-other]", "\"*\"", false},
      {"source.ip", "10.0.0.0/8", true},
      {"remote.ip", "192.0.2.0/24", true},
      {"source.namespace", "demo", true},
      {"source.principal", "cluster.local/ns/demo/sa/web", true},
      {"source.serviceAccount", "demo/web", true},
      {"source.trustDomain", "cluster.local", true},
      {"request.auth.principal", "iss/sub", true},
      {"request.auth.audiences", "b", true},
      {"request.auth.audiences", "c", false},
      {"request.auth.presenter", "\"p*\"", true},
      {"request.auth.claims[groups]", "admins", true},
      {"request.auth.claims[groups]", "others", false},
      {"request.auth.claims[realm][roles]", "x, \"*in\"", true},
      {"destination.ip", "10.0.0.9", true},
      {"destination.port", "\"80\"", true},
      {"connection.sni", "\"*.example\"", true},
  };
  Call call;
  call.payload = R"({"iss": "iss", "sub": "sub", "aud": ["a", "b"], "azp": "presenter",
                     "groups": ["users", "admins"], "realm": {"roles": "admin"}})";
  call.fields = {{"x-team", "a"}};
  for (const Row& row : rows) DYNAMIC_SECTION(row.key << " " << row.values) {
      CHECK(allowed(when(row.key, row.values), call) == row.holds);
      CHECK(allowed(when_not(row.key, row.values), call) != row.holds);
    }
}

TEST_CASE("authorization: what a call without identity or token is", "[discovery]") {
  Call call;
  call.principal = "";
  CHECK_FALSE(allowed(from("principals: [\"*\"]"), call));
  CHECK_FALSE(allowed(from("namespaces: [\"*\"]"), call));
  CHECK(allowed(from("notPrincipals: [\"*\"]"), call));
  CHECK_FALSE(allowed(from("requestPrincipals: [\"*\"]"), call));
  CHECK(allowed(from("notRequestPrincipals: [\"*\"]"), call));
}

TEST_CASE("authorization: rules, and no rules", "[discovery]") {
  CHECK(judged("").empty());
  CHECK(judged(policy("{}")) == kNone);
  CHECK(judged(policy("{rules: [{}]}")).empty());
  CHECK(judged(policy("{action: DENY, rules: [{}]}")) ==
        "rbac_access_denied_matched_policy[ns[demo]-policy[p]-rule[0]]");
  CHECK(judged(policy("{action: AUDIT, rules: [{}]}")).empty());
  // All of from, to and when; any of each.
  const std::string both =
      "{from: [{source: {namespaces: [x]}}, {source: {namespaces: [demo]}}], "
      "to: [{operation: {methods: [GET]}}], "
      "when: [{key: destination.port, values: [\"80\"]}]}";
  CHECK(allowed(both));
  Call put;
  put.method = "PUT";
  CHECK_FALSE(allowed(both, put));
}

TEST_CASE("authorization: DENY before ALLOW, of whichever namespace", "[discovery]") {
  const std::string root = policy("{action: DENY, rules: [" + to("paths: [\"/api/*\"]") + "]}",
                                  "name: r, namespace: istio-system");
  CHECK(judged(policy("{rules: [{}]}") + root) ==
        "rbac_access_denied_matched_policy[ns[istio-system]-policy[r]-rule[0]]");
  // Others are not asked.
  CHECK(judged(policy("{}", "name: o, namespace: other")).empty());
  CHECK(judged(policy("{selector: {matchLabels: {app: web}}}")).empty());
  CHECK(judged(policy("{selector: {matchLabels: {app: ratings}}}")) == kNone);
  CHECK(judged(policy("{selector: {matchLabels: {app: ratings}}}",
                      "name: r, namespace: istio-system")) == kNone);
  const auto target = [](const char* name) {
    return policy("{targetRefs: [{group: networking.istio.io, kind: ServiceEntry, name: " +
                  std::string(name) + "}]}");
  };
  CHECK(judged(target("ratings")) == kNone);
  CHECK(judged(target("reviews")).empty());
  const auto gateway = [](const std::string& name, const std::string& ns, const char* app) {
    return "---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: " + name +
           ", namespace: " + ns + "}\nspec: {selector: {app: " + app +
           "}, servers: [{port: {number: 81, name: http, protocol: HTTP}, hosts: ['*']}]}\n";
  };
  const std::string at_door =
      policy("{targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: door}}");
  CHECK(judged(at_door + gateway("door", "demo", "ratings")) == kNone);
  CHECK(judged(at_door + gateway("door", "demo", "web")).empty());
  CHECK(judged(at_door + gateway("door", "other", "ratings")).empty());
  CHECK(judged(at_door).empty());
}

TEST_CASE("authorization: cluster.local is the mesh's own trust domain", "[discovery]") {
  const auto model = Model::build(
      {.trust_domain = "corp.example"},
      sample::objects(
          sample::kAll +
          policy("{rules: [" + from("principals: [cluster.local/ns/demo/sa/web]") + "]}")),
      {}, [](const auto&) { return Workload::State::Present; });
  for (const auto& r : compile_listeners(*model, sample::node("ratings-1"))) {
    if (!r.name.ends_with("|80")) continue;
    const auto listener = value(xds::decode_listener(*r.body));
    Call call;
    CHECK(judged(listener->filter_chains[0], call) == kNone);
    call.principal = "spiffe://corp.example/ns/demo/sa/web";
    CHECK(judged(listener->filter_chains[0], call).empty());
  }
}

TEST_CASE("authorization: a dry run refuses nobody", "[discovery]") {
  const std::string dry = "name: p, annotations: {\"istio.io/dry-run\": \"true\"}";
  CHECK(judged(policy("{}", dry)).empty());
  const auto listener = inbound(sample::kAll + policy("{}", dry), "ratings-1", "80");
  const auto* rbac =
      route::value_of<authz::Rbac>(listener->filter_chains[0].http_filters[0].config.get());
  REQUIRE(rbac != nullptr);
  CHECK(rbac->rules == nullptr);
  REQUIRE(rbac->shadow != nullptr);
  CHECK(rbac->shadow->name(0) == "ns[demo]-policy[p]-rule[0]");
  CHECK(rbac->shadow_stat_prefix == "istio_dry_run_allow_");
}

TEST_CASE("authorization: ports that do not speak HTTP", "[discovery]") {
  const auto tcp = [](const std::string& rules, const Call& call = {}) {
    const auto listener = inbound(sample::kAll + kTcp + rules, "store-1", "6379");
    REQUIRE(listener->filter_chains[0].tcp != nullptr);
    return judged(listener->filter_chains[0], call);
  };
  const std::string web = from("principals: [cluster.local/ns/demo/sa/web]");
  const std::string denied = "rbac_access_denied_matched_policy[ns[demo]-policy[p]-rule[0]]";
  Call other;
  other.principal = "spiffe://cluster.local/ns/demo/sa/other";
  CHECK(tcp(policy("{rules: [" + web + "]}")).empty());
  CHECK(tcp(policy("{rules: [" + web + "]}"), other) == kNone);
  CHECK(tcp(policy("{action: DENY, rules: [" + web + "]}")) == denied);
  CHECK(tcp(policy("{action: DENY, rules: [" + web + "]}"), other).empty());
  // ALLOW never by what only HTTP has; DENY whatever that says.
  CHECK(tcp(policy("{rules: [" + to("methods: [GET]") + "]}")) == kNone);
  CHECK(tcp(policy("{rules: [" + to("methods: [GET]") + ", " + web + "]}")).empty());
  CHECK(tcp(policy("{action: DENY, rules: [" + to("methods: [GET]") + "]}")) == denied);
  CHECK(
      tcp(policy("{action: DENY, rules: [" + to("methods: [GET], ports: [\"1\"]") + "]}")).empty());
  CHECK(tcp(policy("{}")) == kNone);
}

TEST_CASE("authorization: CUSTOM becomes shadow rules and a filter that asks", "[discovery]") {
  const std::string mesh = R"(
---
apiVersion: mesh/v1
kind: MeshConfig
metadata: {name: m, namespace: istio-system}
spec:
  extensionProviders:
  - name: opa
    envoyExtAuthzHttp:
      service: demo/ratings
      port: 80
      pathPrefix: /check
      failOpen: true
      statusOnError: "503"
      includeRequestHeadersInCheck: [x-a, "x-b-*", "*-c"]
      includeAdditionalHeadersInCheck: {x-from: mesh}
      includeRequestBodyInCheck: {maxRequestBytes: 10, allowPartialMessage: true}
      headersToUpstreamOnAllow: [x-user]
      headersToDownstreamOnDeny: [x-why]
      headersToDownstreamOnAllow: [x-told]
      clearRouteCache: true
  - name: opa-g
    envoyExtAuthzGrpc: {service: ratings.demo.svc.cluster.local, port: 80, timeout: 2s}
)";
  const auto custom = [](const std::string& name, const std::string& provider,
                         const std::string& path) {
    return policy("{action: CUSTOM, provider: {name: " + provider +
                      "}, rules: [{to: [{operation: {paths: [" + path + "]}}]}]}",
                  "name: " + name);
  };
  const auto filters = [](const std::string& yaml) {
    const auto listener = inbound(yaml, "ratings-1", "80");
    return listener->filter_chains[0].http_filters;
  };
  const auto names = [&](const std::string& yaml) {
    std::string all;
    for (const auto& filter : filters(yaml)) all += (all.empty() ? "" : " ") + filter.name;
    return all;
  };
  const std::string both = sample::kAll + mesh + custom("g", "opa-g", "/g") +
                           custom("h", "opa", "/h") + policy("{}", "name: allow");
  CHECK(names(both) ==
        "envoy.filters.http.rbac/custom/opa envoy.filters.http.ext_authz/opa "
        "envoy.filters.http.rbac/custom/opa-g envoy.filters.http.ext_authz/opa-g "
        "envoy.filters.http.rbac/allow");
  const auto made = filters(both);
  const auto* const shadow = route::value_of<authz::Rbac>(made[0].config.get());
  REQUIRE(shadow != nullptr);
  CHECK(shadow->rules == nullptr);
  REQUIRE(shadow->shadow != nullptr);
  CHECK(shadow->shadow->name(0) == "istio-ext-authz-opa-ns[demo]-policy[h]-rule[0]");
  const auto* const http = route::value_of<authz::ExtAuthz>(made[1].config.get());
  REQUIRE(http != nullptr);
  CHECK(http->cluster == "outbound|80||ratings.demo.svc.cluster.local");
  CHECK(http->timeout == std::chrono::seconds(600));
  CHECK(http->path_prefix == "/check");
  CHECK(http->failure_allows);
  CHECK(http->status_on_error == 503);
  CHECK(http->clear_route_cache);
  CHECK(http->body->bytes_max == 10);
  CHECK(http->body->partial);
  CHECK(http->headers_to_add == authz::ExtAuthz::Pairs{{"x-from", "mesh"}});
  for (const char* name : {"x-a", "x-b-1", "y-c"}) CHECK(http->allowed.has(name));
  CHECK_FALSE(http->allowed.has("x-ab"));
  CHECK(http->upstream.has("x-user"));
  CHECK(http->client.has("x-why"));
  CHECK(http->client_on_success.has("x-told"));
  const auto* const grpc = route::value_of<authz::ExtAuthz>(made[3].config.get());
  REQUIRE(grpc != nullptr);
  CHECK(grpc->grpc);
  CHECK(grpc->authority == "ratings.demo.svc.cluster.local");
  CHECK(grpc->timeout == std::chrono::seconds(2));
  // Of two names, of which one begins as the other, each asks for its own.
  const auto found = [&](const char* policy) {
    return std::vector<authz::ShadowVerdict>{{"istio_ext_authz_", policy, false}};
  };
  CHECK(asks(*http, found("istio-ext-authz-opa-ns[demo]-policy[h]-rule[0]")));
  CHECK_FALSE(asks(*http, found("istio-ext-authz-opa-g-ns[demo]-policy[g]-rule[0]")));
  CHECK(asks(*grpc, found("istio-ext-authz-opa-g-ns[demo]-policy[g]-rule[0]")));

  // Nobody to ask: what the rules match is refused.
  CHECK(names(sample::kAll + custom("h", "opa", "/h")) == "envoy.filters.http.rbac/custom/opa");
}

TEST_CASE("authorization: CUSTOM on a port that does not speak HTTP", "[discovery]") {
  const std::string mesh = R"(
---
apiVersion: mesh/v1
kind: MeshConfig
metadata: {name: m, namespace: istio-system}
spec:
  extensionProviders:
  - {name: a, envoyExtAuthzGrpc: {service: demo/ratings, port: 81, timeout: 2s, failOpen: true}}
  - {name: b, envoyExtAuthzGrpc: {service: demo/ratings, port: 81}}
  - {name: h, envoyExtAuthzHttp: {service: demo/ratings, port: 80}}
)";
  const auto custom = [](const std::string& provider) {
    return policy("{action: CUSTOM, provider: {name: " + provider + "}, rules: [" +
                      to("methods: [GET], ports: [\"6379\"]") + "]}",
                  "name: ask-" + provider);
  };
  const auto chain = [&](const std::string& policies) {
    const auto listener = inbound(sample::kAll + kTcp + mesh + policies, "store-1", "6379");
    REQUIRE(listener->filter_chains[0].tcp != nullptr);
    return listener->filter_chains[0];
  };
  const auto both = chain(custom("a") + custom("b") + policy("{}", "name: allow"));
  CHECK(both.network_rbac.size() == 3);
  REQUIRE(both.authorizers.size() == 2);
  CHECK(both.authorizers[0].behind == 1);
  CHECK(both.authorizers[1].behind == 2);
  const authz::ExtAuthz& first = *both.authorizers[0].config;
  CHECK(first.stat_prefix == "a");
  CHECK(first.cluster == "outbound|81||ratings.demo.svc.cluster.local");
  CHECK(first.timeout == std::chrono::seconds(2));
  CHECK(first.failure_allows);
  CHECK_FALSE(both.authorizers[1].config->failure_allows);
  // What is asked of requests is left out; the ports are not.
  const auto& rules = *both.network_rbac[0]->shadow;
  authz::Connection connection;
  connection.destination_port = 6379;
  const authz::Decision found = rules.decide({.connection = connection});
  REQUIRE(found.policy != authz::Decision::kNone);
  CHECK(asks(first, {{both.network_rbac[0]->shadow_stat_prefix, rules.name(found.policy), false}}));
  connection.destination_port = 80;
  CHECK(rules.decide({.connection = connection}).policy == authz::Decision::kNone);

  // One over HTTP is not asked about connections; without one they are refused.
  CHECK(chain(custom("h")).network_rbac.empty());
  const auto none = chain(custom("none"));
  CHECK(none.authorizers.empty());
  REQUIRE(none.network_rbac.size() == 1);
  CHECK(none.network_rbac[0]->rules != nullptr);
}
