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
