// Which DestinationRules hold for whom, what several make together, and of what a port's
// settings stand in the place: mesh-config(5), "DestinationRule".
#include <catch2/catch.hpp>

#include "discovery/describe.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "unit/discovery/sample.h"

namespace {

using namespace mesh;
using namespace mesh::discovery;
using Cluster = envoy::config::cluster::v3::Cluster;
using Lines = std::vector<std::string>;

const std::string kHost = "ratings.demo.svc.cluster.local";

std::string rule(const std::string& ns, const std::string& name, const std::string& spec) {
  return "\n---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: " +
         name + ", namespace: " + ns + "}\nspec: {" + spec + "}\n";
}

// A policy that is told by its number.
std::string policy(int connections) {
  return ", trafficPolicy: {connectionPool: {tcp: {maxConnections: " + std::to_string(connections) +
         "}}}";
}

Node caller(const std::string& ns, const std::string& app) {
  Node node;
  node.ns = ns;
  node.labels = {{"app", app}};
  return node;
}

std::vector<Cluster> clusters(const std::string& rules, const Node& node) {
  const auto model = sample::model(sample::kServices + sample::kWorkloads + rules);
  const auto* const service = model->find_service(kHost, "demo");
  REQUIRE(service != nullptr);
  std::vector<Cluster> result;
  for (const auto& resource : compile_service_clusters(*model, *service, node))
    REQUIRE(result.emplace_back().ParseFromString(*resource.body));
  return result;
}

// Of port 80, "SUBSET N ORIGIN".
Lines held(const std::string& rules, const std::string& ns = "demo",
           const std::string& app = "web") {
  Lines lines;
  for (const auto& cluster : clusters(rules, caller(ns, app))) {
    if (!cluster.name().starts_with("outbound|80|")) continue;
    const auto& limit = cluster.circuit_breakers().thresholds(0).max_connections();
    const auto& said = cluster.metadata().filter_metadata().at("mesh").fields();
    const std::string subset = cluster.name().substr(12, cluster.name().find('|', 12) - 12);
    std::string line = subset.empty() ? "all" : subset;
    if (limit.value() != UINT32_MAX) line += " " + std::to_string(limit.value());
    if (said.contains("config")) line += " " + said.at("config").string_value();
    lines.push_back(line);
  }
  return lines;
}

TEST_CASE("DestinationRules: for callers of the root namespace its own are the whole mesh's") {
  const std::string root = rule("istio-system", "default", "host: \"*.local\"" + policy(1));
  const std::string own = rule("demo", "ratings", "host: ratings, subsets: [{name: v1}]");
  const Lines theirs{"all DestinationRule/demo/ratings",
                     "v1 DestinationRule/demo/ratings subsets[0]"};
  const Lines defaults{"all 1 DestinationRule/istio-system/default"};
  for (const char* ns : {"demo", "istio-system", "elsewhere"}) {
    INFO(ns);
    CHECK(held(root + own, ns) == theirs);
    CHECK(held(root, ns) == defaults);
  }
  // In any other namespace the caller's goes first.
  const std::string away = rule("elsewhere", "mine", "host: \"*.local\"" + policy(2));
  CHECK(held(root + own + away, "elsewhere") == Lines{"all 2 DestinationRule/elsewhere/mine"});
  // What is the root namespace's alone is for its own callers.
  for (const char* alone : {"exportTo: [\".\"]", "exportTo: [istio-system]",
                            "workloadSelector: {matchLabels: {app: door}}"}) {
    INFO(alone);
    const std::string door =
        rule("istio-system", "door", "host: \"*.local\", " + std::string(alone) + policy(3));
    CHECK(held(root + own + door, "istio-system", "door") ==
          Lines{"all 3 DestinationRule/istio-system/door"});
    CHECK(held(root + own + door, "demo", "door") == theirs);
  }
}

TEST_CASE("ServicePolicy: for callers of the root namespace the service's goes first") {
  const auto of = [](const std::string& ns, const std::string& host) {
    return "\n---\napiVersion: mesh/v1\nkind: ServicePolicy\nmetadata: {name: p, namespace: " + ns +
           "}\nspec: {host: " + host + "}\n";
  };
  const auto model = sample::model(sample::kServices + sample::kWorkloads +
                                   of("istio-system", kHost) + of("demo", "ratings"));
  const auto* const service = model->find_service(kHost, "demo");
  REQUIRE(service != nullptr);
  for (const char* ns : {"demo", "istio-system", "elsewhere"}) {
    const auto* const found = model->service_policy(*service, "", ns);
    REQUIRE(found != nullptr);
    CHECK(found->ns == "demo");
  }
}

TEST_CASE("DestinationRules of one host in a namespace are one") {
  struct Row {
    const char* says;
    std::string rules;
    Lines held;
  };
  const std::string a = "DestinationRule/demo/a";
  const std::string b = "DestinationRule/demo/b";
  const std::string selector = ", workloadSelector: {matchLabels: {app: web}}";
  const Row rows[] = {
      {"subsets of both, the policy of the one that has any",
       rule("demo", "a", "host: ratings" + policy(1) + ", subsets: [{name: v1}]") +
           rule("demo", "b", "host: ratings, subsets: [{name: v2}]"),
       {"all 1 " + a, "v1 1 " + a + " subsets[0]", "v2 1 " + b + " subsets[0]"}},
      {"that may be a later one",
       rule("demo", "a", "host: ratings, subsets: [{name: v1}]") +
           rule("demo", "b", "host: ratings" + policy(2) + ", subsets: [{name: v2}]"),
       {"all 2 " + b, "v1 2 " + a + " subsets[0]", "v2 2 " + b + " subsets[0]"}},
      {"of two policies the first, and of two subsets of a name",
       rule("demo", "a", "host: ratings" + policy(1) + ", subsets: [{name: v1}]") +
           rule("demo", "b",
                "host: ratings" + policy(2) + ", subsets: [{name: v2}, {name: v1" + policy(9) +
                    "}]"),
       {"all 1 " + a, "v1 1 " + a + " subsets[0]", "v2 1 " + b + " subsets[0]"}},
      {"hosts and exportTo that mean the same",
       rule("demo", "a", "host: ratings, exportTo: [\".\"]" + policy(1)) +
           rule("demo", "b", "host: " + kHost + ", exportTo: [demo], subsets: [{name: v2}]"),
       {"all 1 " + a, "v2 1 " + b + " subsets[0]"}},
      {"not those of another host",
       rule("demo", "a", "host: \"*.local\"" + policy(1)) +
           rule("demo", "b", "host: ratings, subsets: [{name: v2}]"),
       {"all " + b, "v2 " + b + " subsets[0]"}},
      {"not those of another namespace",
       rule("elsewhere", "a", "host: " + kHost + policy(1)) +
           rule("demo", "b", "host: ratings, subsets: [{name: v2}]"),
       {"all " + b, "v2 " + b + " subsets[0]"}},
      {"not those that are exported to others: the last holds",
       rule("demo", "a", "host: ratings, subsets: [{name: v1}]") +
           rule("demo", "b", "host: ratings, exportTo: [demo]" + policy(2)),
       {"all 2 " + b}},
      {"those that select the same callers",
       rule("demo", "a", "host: ratings" + selector + ", subsets: [{name: v1}]") +
           rule("demo", "b", "host: ratings" + selector + policy(2)) +
           rule("demo", "c", "host: ratings" + policy(3)),
       {"all 2 " + b, "v1 2 " + a + " subsets[0]"}},
      {"not those that select others",
       rule("demo", "a", "host: ratings" + selector + policy(1)) +
           rule("demo", "b",
                "host: ratings, workloadSelector: {matchLabels: {app: x}}, subsets: [{name: v1}]"),
       {"all 1 " + a}},
  };
  for (const Row& row : rows) {
    INFO(row.says);
    CHECK(held(row.rules) == row.held);
  }
}

TEST_CASE("describe says which of several DestinationRules each part is from") {
  discoveryd::v1::DescribeRequest request;
  request.set_service(kHost);
  const auto reply = describe(
      *sample::model(sample::kServices + sample::kWorkloads +
                     rule("demo", "a", "host: ratings, subsets: [{name: v1}]") +
                     rule("demo", "b", "host: ratings" + policy(2) + ", subsets: [{name: v2}]")),
      request);
  REQUIRE(reply);
  Lines lines;
  for (const auto& one : reply->policies()) lines.push_back(one.origin() + ": " + one.effect());
  CHECK(lines == Lines{"DestinationRule/demo/b: connection pool",
                       "DestinationRule/demo/a subsets[0]: subset v1: all instances",
                       "DestinationRule/demo/b subsets[0]: subset v2: all instances"});
}

TEST_CASE("what a port's settings leave out of a DestinationRule has its default") {
  const std::string whole =
      "trafficPolicy: {tls: {mode: SIMPLE}, connectionPool: {tcp: {maxConnections: 7}}, "
      "outlierDetection: {interval: 3s}, loadBalancer: {simple: RANDOM}, proxyProtocol: {}, "
      "retryBudget: {}";
  const std::string port =
      "portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: ROUND_ROBIN}}]";
  const auto subset = [](const std::string& policy) {
    return ", subsets: [{name: s, trafficPolicy: {" + policy + "}}]";
  };
  struct Row {
    const char* says;
    std::string spec;
    const char* name;
    const char* held;
  };
  const Row rows[] = {
      {"the rule, at another port", whole + ", " + port + "}", "outbound|81||",
       "RANDOM pool outlier tls proxy budget"},
      {"the rule, at the port", whole + ", " + port + "}", "outbound|80||", "ROUND_ROBIN"},
      {"a subset that says nothing", whole + ", " + port + "}, subsets: [{name: s}]",
       "outbound|80|s|", "ROUND_ROBIN"},
      {"a subset above the rule", whole + "}" + subset("tls: {mode: DISABLE}"), "outbound|80|s|",
       "RANDOM pool outlier proxy budget"},
      {"a subset above the rule's port",
       whole + ", " + port + "}" + subset("outlierDetection: {interval: 3s}"), "outbound|80|s|",
       "ROUND_ROBIN outlier"},
      {"a subset's port: but for what a port cannot say", whole + "}" + subset(port),
       "outbound|80|s|", "ROUND_ROBIN proxy budget"},
      {"a subset, at another port than its own", whole + "}" + subset(port), "outbound|81|s|",
       "RANDOM pool outlier tls proxy budget"},
      {"a subset's port, its own policy left out",
       whole + "}" + subset("outlierDetection: {interval: 3s}, tls: {mode: DISABLE}, " + port),
       "outbound|80|s|", "ROUND_ROBIN proxy budget"},
  };
  for (const Row& row : rows) {
    INFO(row.says);
    bool found = false;
    for (const auto& cluster :
         clusters(rule("demo", "r", "host: ratings, " + row.spec), caller("demo", "web"))) {
      if (cluster.name() != row.name + kHost) continue;
      found = true;
      std::string held = Cluster::LbPolicy_Name(cluster.lb_policy());
      const auto& limits = cluster.circuit_breakers().thresholds(0);
      if (limits.max_connections().value() == 7) held += " pool";
      if (cluster.has_outlier_detection()) held += " outlier";
      const std::string& socket = cluster.transport_socket().typed_config().value();
      if (socket.find("ca-certificates.crt") != std::string::npos) held += " tls";
      if (cluster.transport_socket().name() == "envoy.transport_sockets.upstream_proxy_protocol")
        held += " proxy";
      if (limits.has_retry_budget()) held += " budget";
      CHECK(held == row.held);
    }
    CHECK(found);
  }
}

}  // namespace
