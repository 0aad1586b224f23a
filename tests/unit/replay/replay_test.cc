// Requests of the past through resources that discoveryd compiles: mesh(1), "plan".
#include "replay/replay.h"

#include <catch2/catch.hpp>

#include "unit/discovery/sample.h"
#include "xds/decode.h"

namespace {

using namespace mesh;
using namespace mesh::discovery;
using Kind = replay::Outcome::Kind;

replay::Configuration configuration(const std::string& yaml, const char* name) {
  const auto model = sample::model(sample::kServices + sample::kWorkloads + yaml);
  const Node node = sample::node(name);
  replay::Configuration configuration;
  for (const auto& r : compile_listeners(*model, node))
    configuration.add(xds::kListenerType, r.name, *r.body);
  for (const auto& r : compile_routes(*model, node))
    configuration.add(xds::kRouteType, r.name, *r.body);
  for (const auto& r : compile_clusters(*model, node))
    configuration.add(xds::kClusterType, r.name, *r.body);
  CHECK(configuration.refused() == std::vector<std::string>{});
  return configuration;
}

replay::Call call(const std::string& path,
                  std::vector<std::pair<std::string, std::string>> fields = {}) {
  return {.listener = "outbound",
          .method = "GET",
          .scheme = "http",
          .authority = "reviews",
          .path = path,
          .peer = "",
          .remote = "127.0.0.1:50000",
          .local = "127.0.0.1:20200",
          .server_name = "",
          .fields = std::move(fields)};
}

std::string routes(const std::string& http) {
  return "\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\n"
         "metadata: {name: reviews, namespace: demo}\nspec:\n  hosts: [reviews]\n  http: " +
         http + "\n";
}

const std::string kRatings = "ratings.demo.svc.cluster.local";

}  // namespace

TEST_CASE("replay: a request goes where its route says, by shares", "[replay]") {
  const auto plain = configuration("", "web-1");
  const auto before = plain.ask(call("/a"));
  CHECK(before.kind == Kind::Forwarded);
  CHECK(before.clusters == std::map<std::string, double>{{"outbound|80||reviews", 1}});
  CHECK(replay::moved(before, before) == 0);

  const auto split = configuration(routes("[{match: [{headers: {end-user: {exact: jason}}}],"
                                          " route: [{destination: {host: " +
                                          kRatings +
                                          ", port: {number: 80}}}]},"
                                          " {match: [{uri: {prefix: /a}}],"
                                          " route: [{destination: {host: reviews}, weight: 75},"
                                          " {destination: {host: " +
                                          kRatings + ", port: {number: 80}}, weight: 25}]}]"),
                                   "web-1");
  CHECK(replay::moved(before, split.ask(call("/a"))) == Approx(0.25));
  CHECK(replay::moved(before, split.ask(call("/a", {{"end-user", "jason"}}))) == 1);
  const auto none = split.ask(call("/b"));
  CHECK(none.kind == Kind::NoRoute);
  CHECK(replay::moved(before, none) == 1);
}

TEST_CASE("replay: answers of routes, and what is not there", "[replay]") {
  const auto redirect = configuration(routes("[{redirect: {uri: /new}}]"), "web-1");
  CHECK(redirect.ask(call("/a")).kind == Kind::Answered);
  CHECK(redirect.ask(call("/a")).why == "redirect 301");
  replay::Call elsewhere = call("/a");
  elsewhere.listener = "gone";
  CHECK(redirect.ask(elsewhere).kind == Kind::NotAccepted);

  replay::Configuration broken;
  broken.add(xds::kClusterType, "outbound|80||reviews", "\xff\xff");
  CHECK(broken.refused().size() == 1);
}

TEST_CASE("replay: rules of access and of mutual TLS decide as they would", "[replay]") {
  const std::string policy = R"(
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers, namespace: demo}
spec:
  selector: {matchLabels: {app: ratings}}
  action: ALLOW
  rules: [{from: [{source: {principals: [cluster.local/ns/demo/sa/web]}}], to: [{operation: {methods: [GET]}}]}]
)";
  const std::string strict = R"(
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: demo}
spec: {mtls: {mode: STRICT}}
)";
  replay::Call inbound = call("/a");
  inbound.listener = "inbound|10.0.0.9|80";
  inbound.local = "10.0.0.9:80";
  inbound.authority = kRatings;
  replay::Call proved = inbound;
  proved.peer = "spiffe://cluster.local/ns/demo/sa/web";

  const auto open = configuration("", "ratings-1");
  CHECK(open.ask(inbound).kind == Kind::Forwarded);
  CHECK(open.ask(proved).kind == Kind::Forwarded);

  const auto ruled = configuration(policy, "ratings-1");
  CHECK(ruled.ask(proved).kind == Kind::Forwarded);
  CHECK(ruled.ask(inbound).kind == Kind::Denied);
  CHECK(ruled.ask(inbound).why.find("rbac_access_denied") != std::string::npos);
  proved.method = "POST";
  CHECK(ruled.ask(proved).kind == Kind::Denied);

  const auto closed = configuration(strict, "ratings-1");
  CHECK(closed.ask(proved).kind == Kind::Forwarded);
  CHECK(closed.ask(inbound).kind == Kind::NotAccepted);
}

namespace {

std::string verified_tokens(const std::string& more) {
  return R"(
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens, namespace: demo}
spec: {selector: {matchLabels: {app: ratings}}, jwtRules: [{issuer: i, jwks: '{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","kid":"k","x":"i1jgo2IRjL6xjDAz9W-B1OG3K37W6M41RLX1nJ0DdIw","y":"Uii5X9rPgQ7e9Tt6SHNVU2Nd0myyzR4n7bCgifViyzc"}]}')" +
         more + "}]}\n";
}

std::string when(const std::string& key, const std::string& values) {
  return R"(
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: people, namespace: demo}
spec: {selector: {matchLabels: {app: ratings}}, rules: [{when: [{key: ')" +
         key + "', values: [" + values + "]}]}]}\n";
}

}  // namespace

TEST_CASE("replay: what tokens say is asked of what was kept of them", "[replay]") {
  using Tokens = replay::Call::Tokens;
  const auto open = configuration("", "ratings-1");
  const std::string tokens = verified_tokens("");
  const auto verified = configuration(tokens, "ratings-1");
  const auto ann = configuration(tokens + when("request.auth.claims[sub]", "ann"), "ratings-1");
  const std::string teams =
      verified_tokens(", outputClaimToHeaders: [{header: x-team, claim: team}]");
  const auto header = configuration(teams, "ratings-1");
  const auto team = configuration(teams + when("request.headers[x-team]", "red"), "ratings-1");
  struct Row {
    const char* name;
    Tokens tokens;
    bool carries;
    std::map<std::string, std::string> claims;  // name and JSON; empty: the token has it not
    const replay::Configuration& before;
    const replay::Configuration& after;
    bool untold;
    Kind then;
  };
  const Row rows[] = {
      {"no token", Tokens::None, false, {}, verified, ann, false, Kind::Denied},
      {"none was looked for, and there is none",
       Tokens::Unknown,
       false,
       {},
       open,
       ann,
       false,
       Kind::Denied},
      {"a place of tokens with none that is good",
       Tokens::None,
       true,
       {},
       verified,
       ann,
       false,
       Kind::Denied},
      {"the claim",
       Tokens::Good,
       true,
       {{"sub", "\"ann\""}},
       verified,
       ann,
       false,
       Kind::Forwarded},
      {"another one", Tokens::Good, true, {{"sub", "\"bob\""}}, verified, ann, false, Kind::Denied},
      {"one that the token has not",
       Tokens::Good,
       true,
       {{"sub", ""}},
       verified,
       ann,
       false,
       Kind::Denied},
      {"one that nobody asked for",
       Tokens::Good,
       true,
       {{"aud", "\"x\""}},
       verified,
       ann,
       true,
       Kind::Denied},
      {"a token that was refused", Tokens::Refused, true, {}, verified, ann, false, Kind::Denied},
      {"a token that nobody has looked at",
       Tokens::Unknown,
       true,
       {},
       open,
       verified,
       true,
       Kind::Forwarded},
      {"tokens are not judged any more",
       Tokens::Good,
       true,
       {},
       verified,
       open,
       false,
       Kind::Forwarded},
      {"nothing changes for them", Tokens::Good, true, {}, ann, ann, false, Kind::Denied},
      {"a header made of a claim",
       Tokens::Good,
       true,
       {{"team", "\"red\""}},
       header,
       team,
       false,
       Kind::Forwarded},
      {"a header made of one that is not known",
       Tokens::Good,
       true,
       {},
       header,
       team,
       true,
       Kind::Denied},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    replay::Call inbound = call("/a");
    inbound.listener = "inbound|10.0.0.9|80";
    inbound.local = "10.0.0.9:80";
    inbound.authority = kRatings;
    // What a client makes up is not taken for a claim.
    inbound.fields = {{"x-team", row.claims.contains("team") ? "blue" : "red"}};
    if (row.carries) inbound.fields.emplace_back("authorization", "");
    inbound.tokens = row.tokens;
    for (const auto& [name, text] : row.claims) {
      auto& claim = inbound.claims.emplace_back();
      claim.path = {"payload", name};
      if (auto value = json::parse(text)) claim.value = *std::move(value);
    }
    const auto before = row.before.ask(inbound);
    const auto after = row.after.ask(inbound);
    CHECK(replay::untold(before, after) == row.untold);
    CHECK(after.kind == row.then);
  }
}

TEST_CASE("replay: what an authorizer would be asked of is its to say", "[replay]") {
  const auto asked = [](const std::string& path, const std::string& more = "") {
    return configuration(R"(
---
apiVersion: mesh/v1
kind: MeshConfig
metadata: {name: m, namespace: istio-system}
spec: {extensionProviders: [{name: opa, envoyExtAuthzHttp: {service: web, port: 80, pathPrefix: /check}}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ask, namespace: demo}
spec:
  selector: {matchLabels: {app: ratings}}
  action: CUSTOM
  provider: {name: opa}
  rules: [{to: [{operation: {paths: [)" +
                             path + "]}}]}]\n" + more,
                         "ratings-1");
  };
  const auto ask = [](const replay::Configuration& configuration, const std::string& path) {
    replay::Call inbound = call(path);
    inbound.listener = "inbound|10.0.0.9|80";
    inbound.local = "10.0.0.9:80";
    inbound.authority = kRatings;
    return configuration.ask(inbound);
  };
  const auto open = configuration("", "ratings-1");
  const auto some = asked("/a");
  const auto all = asked("/*");
  const auto before = ask(open, "/a");
  CHECK(before.asked.empty());
  const auto after = ask(some, "/a");
  CHECK(after.kind == Kind::Forwarded);
  CHECK(after.asked == "outbound|80||web/check");
  CHECK(replay::untold(before, after));
  CHECK(replay::untold(after, before));
  // What no rule matches, and what it is asked of already.
  CHECK_FALSE(replay::untold(ask(open, "/b"), ask(some, "/b")));
  CHECK_FALSE(replay::untold(after, ask(all, "/a")));
  CHECK(replay::moved(after, ask(all, "/a")) == 0);
  // Whom a rule behind it refuses, it cannot let in.
  const auto refused = ask(asked("/a", R"(
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: nobody, namespace: demo}
spec: {selector: {matchLabels: {app: ratings}}}
)"),
                           "/a");
  CHECK(refused.kind == Kind::Denied);
  CHECK(refused.asked.empty());
  CHECK_FALSE(replay::untold(before, refused));
}

TEST_CASE("replay: faults end their share of the requests, and preflights are answered",
          "[replay]") {
  const auto with = [](const std::string& more) {
    return configuration(
        routes("[{route: [{destination: {host: reviews}}], retries: {attempts: 0}, " + more + "}]"),
        "web-1");
  };
  const auto before = with("name: plain").ask(call("/a"));
  CHECK(before.kind == Kind::Forwarded);
  const auto some = with("fault: {abort: {httpStatus: 503, percentage: {value: 25}}}");
  const auto after = some.ask(call("/a"));
  CHECK(after.kind == Kind::Forwarded);
  CHECK(after.failed == Approx(0.25));
  CHECK(after.clusters.at("fault 503") == Approx(0.25));
  CHECK(replay::moved(before, after) == Approx(0.25));
  const auto all = with("fault: {abort: {httpStatus: 500, percentage: {value: 100}}}");
  CHECK(all.ask(call("/a")).kind == Kind::Failed);
  CHECK(all.ask(call("/a")).why == "fault 500");
  CHECK(replay::moved(before, all.ask(call("/a"))) == 1);
  const auto late = with("timeout: 1s, fault: {delay: {fixedDelay: 2s, percentage: {value: 100}}}");
  CHECK(late.ask(call("/a")).why == "fault 504");
  const auto slow = with("fault: {delay: {fixedDelay: 2s, percentage: {value: 100}}}");
  CHECK(replay::moved(before, slow.ask(call("/a"))) == 0);

  const auto pages = with("corsPolicy: {allowOrigins: [{exact: \"https://shop.example\"}]}");
  replay::Call preflight =
      call("/a", {{"origin", "https://shop.example"}, {"access-control-request-method", "GET"}});
  preflight.method = "OPTIONS";
  CHECK(pages.ask(preflight).kind == Kind::Answered);
  CHECK(pages.ask(preflight).why == "preflight");
  preflight.fields[0].second = "https://else.example";
  CHECK(pages.ask(preflight).kind == Kind::Forwarded);
}
