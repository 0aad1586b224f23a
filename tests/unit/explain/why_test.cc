// Which way a request goes through a mesh, and why, from its configuration alone.
#include "explain/why.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "discovery/demand.h"
#include "explain/offline.h"
#include "explain/text.h"
#include "support/temp_dir.h"
#include "support/tokens.h"
#include "unit/discovery/sample.h"
#include "xds/decode.h"

using namespace mesh;
using explain::Question;
namespace sample = mesh::discovery::sample;

namespace {

const std::string kAccess = R"(
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: reviews-v2, namespace: demo}
spec:
  workloadSelector: {labels: {app: reviews, version: v2}}
  ingress:
  - port: {number: 20012, protocol: HTTP, name: http}
    defaultEndpoint: 127.0.0.1:20112
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers, namespace: demo}
spec:
  selector: {matchLabels: {version: v2}}
  rules:
  - from: [{source: {principals: ["cluster.local/ns/demo/sa/web"]}}]
    to: [{operation: {methods: [GET]}}]
)";

snapshot::v1::Snapshot mesh_of(const std::string& yaml) {
  const support::TempDir dir;
  dir.write("all.yaml", yaml);
  auto snapshot = explain::from_directory(dir.path());
  INFO((snapshot ? std::string() : snapshot.error().text));
  REQUIRE(snapshot);
  return *snapshot;
}

const snapshot::v1::Snapshot& shop() {
  static const snapshot::v1::Snapshot snapshot =
      mesh_of(sample::kServices + sample::kWorkloads + sample::kTraffic + kAccess);
  return snapshot;
}

explain::v1::Why ask(Question question) {
  auto why = explain::why(shop(), question);
  INFO((why ? std::string() : why.error().text));
  REQUIRE(why);
  UNSCOPED_INFO(explain::to_text(*why));
  return *why;
}

Question get(const std::string& authority, const std::string& path = "/") {
  Question question;
  question.call.authority = authority;
  question.call.path = path;
  question.from = "web-1";
  return question;
}

}  // namespace

TEST_CASE("why: the route that holds, and the condition of the one before it", "[explain]") {
  const auto why = ask(get("reviews", "/x"));
  CHECK(why.outcome() == "FORWARDED");
  CHECK(why.source() == "spiffe://cluster.local/ns/demo/sa/web");
  REQUIRE(why.hops_size() >= 1);
  const auto& hop = why.hops(0);
  CHECK(hop.forwarder() == "web-1");
  CHECK(hop.domain() == "reviews");
  REQUIRE(hop.tried_size() == 1);
  CHECK(hop.tried(0).expected() == "header end-user is \"jason\"");
  CHECK(hop.tried(0).actual() == "-");
  CHECK(hop.tried(0).origin().origin() == "VirtualService/demo/reviews http[0].match[0]");
  CHECK(hop.tried(0).origin().place().starts_with("all.yaml:"));
  CHECK(hop.route().index() == 1);
  std::map<std::string, std::string> settings;
  for (const auto& setting : hop.route().settings()) settings[setting.name()] = setting.value();
  CHECK(settings["timeout"] == "5s");
  CHECK(settings["retries"].starts_with("3 on 5xx,reset"));
  CHECK(settings["per-try-timeout"] == "2s");
  CHECK(settings["rewrite-path"] == "/api");
  REQUIRE(hop.destinations_size() == 2);
  CHECK(hop.destinations(0).percent() == Approx(90));
  CHECK(hop.destinations(0).subset() == "v1");
  CHECK(hop.destinations(0).origin().origin() == "DestinationRule/demo/reviews subsets[0]");
  REQUIRE(hop.destinations(0).endpoints_size() == 1);
  CHECK(hop.destinations(0).endpoints(0).workload() == "demo/reviews-v1");
}

TEST_CASE("why: a rule that lets the caller in decides, and names its place", "[explain]") {
  Question question = get("reviews");
  question.call.headers = {{"end-user", "jason"}};
  const auto why = ask(question);
  CHECK(why.outcome() == "FORWARDED");
  REQUIRE(why.hops_size() == 2);
  CHECK(why.hops(0).route().index() == 0);
  const auto& arrival = why.hops(1);
  CHECK(arrival.forwarder() == "reviews-v2");
  CHECK(arrival.direction() == "inbound");
  CHECK(arrival.tls());
  REQUIRE(arrival.rules_size() == 1);
  CHECK(arrival.rules(0).decided());
  CHECK(arrival.rules(0).origin().origin() == "AuthorizationPolicy/demo/readers rules[0]");
  CHECK(arrival.rules(0).origin().place().starts_with("all.yaml:"));
}

TEST_CASE("why: who is denied is told the clause that failed", "[explain]") {
  Question question = get("reviews");
  question.call.headers = {{"end-user", "jason"}};
  question.call.method = "POST";
  auto why = ask(question);
  CHECK(why.outcome() == "DENIED");
  CHECK(why.status() == 403);
  CHECK(why.details() == "rbac_access_denied_matched_policy[none]");
  const auto& rule = why.hops(1).rules(0);
  CHECK_FALSE(rule.matched());
  REQUIRE(rule.failed_size() == 1);
  CHECK(rule.failed(0).expected() == "method is \"GET\"");
  CHECK(rule.failed(0).actual() == "POST");

  question.call.method = "GET";
  question.from = "spiffe://cluster.local/ns/demo/sa/ratings";
  question.to = "reviews-v2";
  why = ask(question);
  CHECK(why.outcome() == "DENIED");
  REQUIRE(why.hops_size() == 1);
  CHECK(why.hops(0).rules(0).failed(0).expected().starts_with("source.principal is"));
  question.from = "cluster.local/ns/demo/sa/web";
  CHECK(ask(question).outcome() == "FORWARDED");
}

TEST_CASE("why: no route, no host", "[explain]") {
  const auto why = ask(get("nowhere.example"));
  CHECK(why.hops(0).virtual_host().empty());
  CHECK(why.outcome() == "FAILED");
  CHECK(why.status() == 404);
  CHECK(why.details() == "route_not_found");
}

TEST_CASE("why: on demand, a host that is not asked for yet is told as it would be", "[explain]") {
  const auto ask_on_demand = [](bool more_is_known, const std::string& host) {
    auto snapshot = shop();
    auto& all = *snapshot.mutable_forwarders();
    const auto found =
        std::find_if(all.begin(), all.end(), [](const auto& one) { return one.node() == "web-1"; });
    REQUIRE(found != all.end());
    snapshot::v1::Forwarder& web = *found;
    web.set_on_demand(true);
    if (more_is_known) *web.mutable_would_hold() = web.resources();
    web.clear_resources();
    // It asked for nothing, and says so of its listener.
    const auto model = discovery::Model::build(
        {}, sample::objects(sample::kServices + sample::kWorkloads + sample::kTraffic), {},
        [](const auto&) { return discovery::Workload::State::Present; });
    discovery::Node node = sample::node("web-1");
    node.hosts = std::make_shared<const discovery::Hosts>();
    const auto add = [&](std::string_view type, const std::vector<discovery::Resource>& resources) {
      for (const auto& resource : resources) {
        auto& held = *web.add_resources();
        held.set_type_url(std::string(type));
        held.set_name(resource.name);
        held.set_version(resource.version);
        (*snapshot.mutable_bodies())[resource.version] = *resource.body;
      }
    };
    add(xds::kListenerType, discovery::compile_outbound_listeners(*model, node));
    add(xds::kRouteType, discovery::compile_routes(*model, node));
    const auto why = explain::why(snapshot, get(host, "/x"));
    INFO((why ? std::string() : why.error().text));
    REQUIRE(why);
    return *why;
  };
  const auto says = [](const explain::v1::Why& why, const std::string& text) {
    return std::any_of(why.unknown().begin(), why.unknown().end(),
                       [&](const auto& one) { return one.find(text) != std::string::npos; });
  };
  const auto brought = ask_on_demand(true, "reviews");
  CHECK(brought.outcome() == "FORWARDED");
  CHECK(brought.hops(0).domain() == "reviews");
  CHECK(says(brought, "has not asked for reviews yet: told is what it gets"));
  const auto unknown = ask_on_demand(false, "reviews");
  CHECK(unknown.outcome() == "FAILED");
  CHECK(says(unknown, "where the mesh has it, the first request brings it"));
  const auto nobody = ask_on_demand(true, "nobody.example");
  CHECK(nobody.details() == "route_not_found");
  CHECK_FALSE(says(nobody, "has not asked"));
}

TEST_CASE("why: a question that names nobody, or several, is refused", "[explain]") {
  Question question = get("reviews");
  question.from = "nobody";
  CHECK(explain::why(shop(), question).error().kind == Errc::NotFound);
  question.from = "";
  CHECK(explain::why(shop(), question).error().kind == Errc::Invalid);
  CHECK(explain::why(shop(), question).error().text.find("web-1") != std::string::npos);
}

TEST_CASE("why: what configuration alone cannot tell is said", "[explain]") {
  const auto why = ask(get("reviews"));
  CHECK(why.unknown_size() >= 4);
  CHECK_FALSE(why.hops(0).live());
}

TEST_CASE("why: no endpoint that can be used", "[explain]") {
  auto snapshot = shop();
  for (auto& forwarder : *snapshot.mutable_forwarders()) {
    auto& health = *forwarder.add_health();
    health.set_cluster("outbound|80|v2|reviews");
    auto& endpoint = *health.add_endpoints();
    endpoint.set_address("127.0.0.1:20012");
    endpoint.set_health("unhealthy");
    endpoint.set_flags("/failed_outlier_check");
  }
  Question question = get("reviews");
  question.call.headers = {{"end-user", "jason"}};
  const auto why = explain::why(snapshot, question);
  REQUIRE(why);
  INFO(explain::to_text(*why));
  CHECK(why->outcome() == "FAILED");
  CHECK(why->status() == 503);
  CHECK(why->details() == "no_healthy_upstream");
  CHECK(why->hops(0).destinations(0).endpoints(0).flags() == "/failed_outlier_check");
}

TEST_CASE("why: an authorizer that is asked is named, and what it says is not known", "[explain]") {
  const auto asked = mesh_of(sample::kServices + sample::kWorkloads + sample::kTraffic + kAccess +
                             R"(
---
apiVersion: mesh/v1
kind: MeshConfig
metadata: {name: m, namespace: istio-system}
spec: {extensionProviders: [{name: opa, envoyExtAuthzHttp: {service: web, port: 80}}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ask, namespace: demo}
spec:
  selector: {matchLabels: {version: v2}}
  action: CUSTOM
  provider: {name: opa}
  rules: [{to: [{operation: {paths: ["/asked/*"]}}]}]
)");
  Question question = get("reviews", "/asked/1");
  question.call.headers = {{"end-user", "jason"}};
  const auto lines = [&] {
    const auto why = explain::why(asked, question);
    REQUIRE(why);
    const std::string text = explain::to_text(*why);
    INFO(text);
    REQUIRE(why->hops_size() == 2);
    const auto& rule = why->hops(1).rules(0);
    CHECK(rule.action() == "CUSTOM");
    CHECK_FALSE(rule.decided());
    CHECK(rule.origin().origin() == "AuthorizationPolicy/demo/ask rules[0]");
    CHECK(why->outcome() == "FORWARDED");
    return text;
  };
  CHECK(lines().find("  authorizer  outbound|80||web is asked over HTTP; what it") !=
        std::string::npos);
  question.call.path = "/open";
  CHECK(lines().find("authorizer ") == std::string::npos);
}

TEST_CASE("why: who is asked about a connection is named", "[explain]") {
  const auto asked = mesh_of(sample::kServices + sample::kWorkloads + R"(
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: store, namespace: demo}
spec:
  hosts: [store]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 6379, name: redis, protocol: TCP}]
  workloadSelector: {labels: {app: store}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: store-1, namespace: demo}
spec: {address: 10.0.0.8, labels: {app: store}, serviceAccount: store}
---
apiVersion: mesh/v1
kind: MeshConfig
metadata: {name: m, namespace: istio-system}
spec: {extensionProviders: [{name: opa, envoyExtAuthzGrpc: {service: demo/ratings, port: 81}}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ask, namespace: demo}
spec:
  selector: {matchLabels: {app: store}}
  action: CUSTOM
  provider: {name: opa}
  rules: [{from: [{source: {notIpBlocks: [192.0.2.0/24]}}]}]
)");
  Question question = get("store");
  question.from = "cluster.local/ns/demo/sa/web";
  question.to = "store-1";
  const std::string says =
      "outbound|81||ratings.demo.svc.cluster.local is asked over gRPC, and what it says is not "
      "known here; ";
  question.call.source_ip = "127.0.0.9";
  auto why = explain::why(asked, question);
  REQUIRE(why);
  REQUIRE(why->hops_size() == 1);
  CHECK(why->hops(0).text().starts_with(says));
  CHECK(why->hops(0).rules(0).action() == "CUSTOM");
  question.call.source_ip = "192.0.2.1";
  why = explain::why(asked, question);
  REQUIRE(why);
  CHECK(why->hops(0).text().find("is asked over gRPC") == std::string::npos);
}

namespace {

// One VirtualService for reviews, its rule as given.
snapshot::v1::Snapshot routed(const std::string& rule) {
  return mesh_of(sample::kServices + sample::kWorkloads +
                 "\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\n"
                 "metadata: {name: reviews, namespace: demo}\nspec:\n  hosts: [reviews]\n"
                 "  http:\n  - route: [{destination: {host: reviews}}]\n" +
                 rule + "\n");
}

}  // namespace

TEST_CASE("why: a fault that every such request meets is the answer", "[explain]") {
  struct Row {
    const char* because;
    std::string rule;
    const char* outcome;
    uint32_t status;
    const char* details;
    const char* text;  // how it begins
  };
  const std::string no_retries = "    retries: {attempts: 0}\n";
  const Row rows[] = {
      {"an abort of all", "    fault: {abort: {httpStatus: 500, percentage: {value: 100}}}",
       "FAILED", 500, "fault_filter_abort", "100% of such requests: 500 by fault"},
      {"an abort of some",
       no_retries + "    fault: {abort: {httpStatus: 503, percentage: {value: 50}}}", "FORWARDED",
       0, "", "50% of such requests: 503 by fault; to reviews, 3 endpoints"},
      {"an abort of some tries, which are tried again",
       "    retries: {attempts: 1, retryOn: 5xx}\n"
       "    fault: {abort: {httpStatus: 503, percentage: {value: 50}}}",
       "FORWARDED", 0, "", "25% of such requests: 503 by fault (50% of their tries); to reviews"},
      {"an abort of none", "    fault: {abort: {httpStatus: 503, percentage: {value: 0}}}",
       "FORWARDED", 0, "", "to reviews"},
      {"an abort by gRPC status",
       "    fault: {abort: {grpcStatus: UNAVAILABLE, percentage: {value: 100}}}", "FAILED", 200,
       "fault_filter_abort", "100% of such requests: 200, gRPC status 14 by fault"},
      {"a delay", "    fault: {delay: {fixedDelay: 3s, percentage: {value: 100}}}", "FORWARDED", 0,
       "", "100% of tries: delayed 3s by fault; to reviews"},
      {"a delay past the timeout",
       "    timeout: 2s\n    fault: {delay: {fixedDelay: 3s, percentage: {value: 100}}}", "FAILED",
       504, "response_timeout", "100% of tries: delayed 3s by fault, past their timeout"},
      {"a delay past the timeout of each try",
       "    retries: {attempts: 2, perTryTimeout: 1s, retryOn: 5xx}\n"
       "    fault: {delay: {fixedDelay: 3s, percentage: {value: 100}}}",
       "FAILED", 504, "upstream_per_try_timeout", "100% of tries: delayed 3s"},
      {"a delay of some, and an abort of all",
       "    fault: {delay: {fixedDelay: 1s, percentage: {value: 10}}, abort: {httpStatus: 418, "
       "percentage: {value: 100}}}",
       "FAILED", 418, "fault_filter_abort",
       "10% of tries: delayed 1s by fault; 100% of such requests: 418 by fault"},
  };
  for (const Row& row : rows) {
    INFO(row.because);
    const auto why = explain::why(routed(row.rule), get("reviews"));
    REQUIRE(why);
    INFO(explain::to_text(*why));
    CHECK(why->outcome() == row.outcome);
    CHECK(why->status() == row.status);
    CHECK(why->details() == row.details);
    CHECK_THAT(why->text(), Catch::StartsWith(row.text));
    const auto& hop = why->hops(0);
    CHECK(hop.has_fault() == (hop.text().find("by fault") != std::string::npos));
    if (hop.has_fault())
      CHECK(hop.fault().origin().origin() == "VirtualService/demo/reviews http[0].fault");
  }
}

TEST_CASE("why: preflights are answered where the browser's origin is allowed", "[explain]") {
  const auto asked = [](const std::string& policy, const std::string& origin,
                        const std::string& method) {
    Question question = get("reviews");
    question.call.method = method;
    question.call.headers = {{"origin", origin}, {"access-control-request-method", "GET"}};
    const auto why = explain::why(routed("    corsPolicy: {" + policy + "}"), question);
    REQUIRE(why);
    return *why;
  };
  const std::string shop = "allowOrigins: [{prefix: \"https://shop.\"}]";
  const auto answered = asked(shop, "https://shop.example", "OPTIONS");
  INFO(explain::to_text(answered));
  CHECK(answered.outcome() == "ANSWERED");
  CHECK(answered.status() == 200);
  CHECK(answered.details() == "cors_response");
  CHECK(answered.text() ==
        "the forwarder answers the preflight: origin \"https://shop.example\" is allowed by "
        "\"https://shop.*\"");
  CHECK(asked(shop, "https://shop.example", "GET").outcome() == "FORWARDED");
  CHECK(asked(shop, "https://else.example", "OPTIONS").outcome() == "FORWARDED");
  const auto refused =
      asked(shop + ", unmatchedPreflights: IGNORE", "https://else.example", "OPTIONS");
  CHECK(refused.outcome() == "ANSWERED");
  CHECK_THAT(refused.text(), Catch::EndsWith("is not allowed"));
}

namespace {

const support::SigningKey& good_key() {
  static const support::SigningKey key("ES256");
  return key;
}

// Who checks tokens of issuer "i" at ratings-1, with keys as given, and lets in as `access` says.
snapshot::v1::Snapshot guarded(const std::string& keys, const std::string& access) {
  return mesh_of(sample::kServices + sample::kWorkloads + R"(
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens, namespace: demo}
spec: {selector: {matchLabels: {app: ratings}}, jwtRules: [{issuer: i, )" +
                 keys + R"(}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: people, namespace: demo}
spec: {selector: {matchLabels: {app: ratings}}, )" +
                 access + "}\n");
}

explain::v1::Why with_token(const snapshot::v1::Snapshot& snapshot, const std::string& token) {
  Question question = get("ratings.demo.svc.cluster.local");
  question.to = "ratings-1";
  question.call.now = WallTime(std::chrono::seconds(1'700'000'000));
  if (!token.empty()) question.call.headers = {{"authorization", "Bearer " + token}};
  const auto why = explain::why(snapshot, question);
  REQUIRE(why);
  UNSCOPED_INFO(explain::to_text(*why));
  return *why;
}

bool leaves_open(const explain::v1::Why& why, const std::string& text) {
  return std::any_of(why.unknown().begin(), why.unknown().end(),
                     [&](const auto& one) { return one.find(text) != std::string::npos; });
}

const std::string kAnybody = "rules: [{from: [{source: {requestPrincipals: [\"*\"]}}]}]";

}  // namespace

TEST_CASE("why: a token is judged as the forwarder judges it", "[explain]") {
  const auto snapshot = guarded("jwks: '" + good_key().jwks() + "'", kAnybody);
  const support::SigningKey other("ES256");
  struct Row {
    const char* because;
    std::string token;
    const char* outcome;
    uint32_t status;
    const char* details;
    const char* told;
  };
  const Row rows[] = {
      {"good", good_key().token(R"({"iss":"i","sub":"ann"})"), "FORWARDED", 0, "",
       "good: iss \"i\", sub \"ann\""},
      {"of an unknown issuer", good_key().token(R"({"iss":"x","sub":"ann"})"), "DENIED", 401,
       "jwt_authn_access_denied{Jwt_issuer_is_not_configured}", "Jwt issuer is not configured"},
      {"signed by another", other.token(R"({"iss":"i","sub":"ann"})"), "DENIED", 401,
       "jwt_authn_access_denied{Jwt_verification_fails}", "Jwt verification fails"},
      {"expired", good_key().token(R"({"iss":"i","sub":"ann","exp":1600000000})"), "DENIED", 401,
       "jwt_authn_access_denied{Jwt_is_expired}", "Jwt is expired"},
      {"none", "", "DENIED", 403, "rbac_access_denied_matched_policy[none]", ""},
  };
  for (const Row& row : rows) {
    INFO(row.because);
    const auto why = with_token(snapshot, row.token);
    CHECK(why.outcome() == row.outcome);
    CHECK(why.status() == row.status);
    CHECK(why.details() == row.details);
    REQUIRE(why.hops_size() == 1);
    CHECK(why.hops(0).token() == row.told);
    // Whoever has one may fare otherwise.
    CHECK(leaves_open(why, "rules ask what a token says") == row.token.empty());
  }
}

TEST_CASE("why: where keys are not known it depends on the token, and on which rule", "[explain]") {
  const std::string elsewhere = "jwksUri: \"https://issuer.example/keys\"";
  const std::string token = good_key().token(R"({"iss":"i","sub":"ann"})");
  const std::string rule = "ns[demo]-policy[people]-rule[0]";
  const auto allow = guarded(elsewhere, kAnybody);
  auto why = with_token(allow, token);
  CHECK(why.outcome() == "MIXED");
  CHECK(why.status() == 0);
  CHECK_THAT(why.text(), Catch::StartsWith("it depends on the token: 401 unless the token is good; "
                                           "403 unless " +
                                           rule + " matches; else FORWARDED: to "));
  CHECK(why.hops(0).rules(0).depends());
  CHECK_FALSE(why.hops(0).rules(0).decided());
  CHECK(leaves_open(why, "the keys of tokens that jwksUri names"));
  // What needs no keys is known.
  why = with_token(allow, good_key().token(R"({"iss":"x","sub":"ann"})"));
  CHECK(why.status() == 401);
  CHECK(why.outcome() == "DENIED");
  why = with_token(allow, "");
  CHECK(why.status() == 403);

  const auto deny = guarded(
      elsewhere, "action: DENY, rules: [{from: [{source: {notRequestPrincipals: [i/ann]}}]}]");
  why = with_token(deny, token);
  CHECK(why.outcome() == "MIXED");
  CHECK(why.text().find("403 where " + rule + " matches; else FORWARDED") != std::string::npos);
  // A rule that no token helps.
  why = with_token(guarded(elsewhere,
                           "rules: [{from: [{source: {requestPrincipals: [\"*\"]}}], to: "
                           "[{operation: {methods: [POST]}}]}]"),
                   token);
  CHECK(why.outcome() == "DENIED");
  CHECK_THAT(why.text(), Catch::StartsWith("401 unless the token is good; else no rule"));
}
