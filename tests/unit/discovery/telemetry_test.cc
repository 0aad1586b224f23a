// Which Telemetry holds, and what it makes of access logs and trace contexts.
#include <catch2/catch.hpp>

#include "unit/discovery/sample.h"
#include "xds/decode.h"

namespace {

using namespace mesh;
using namespace mesh::discovery;

std::string object(const std::string& name, const std::string& spec,
                   const std::string& ns = "demo") {
  return "\n---\napiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {name: " + name +
         ", namespace: " + ns + "}\nspec: {" + spec + "}\n";
}

struct Seen {
  int logs = 0;  // of the first chain
  bool filtered = false;
  bool trace_context = false;
  bool operator==(const Seen&) const = default;
};

Seen seen(const std::string& yaml, bool outbound) {
  Node node = sample::node("ratings-1");
  node.access_log = "/dev/stdout";
  for (const auto& r : compile_listeners(*sample::model(sample::kAll + yaml), node)) {
    if (outbound ? r.name != "outbound" : !r.name.ends_with("|80")) continue;
    const auto listener = xds::decode_listener(*r.body);
    if (!listener) FAIL(listener.error().text);
    const auto& chain = (*listener)->filter_chains.at(0);
    return {int(chain.access_logs.size()),
            !chain.access_logs.empty() && chain.access_logs[0].filter != nullptr,
            chain.trace_context};
  }
  FAIL("no such listener");
  return {};
}

std::shared_ptr<const xds::Listener> listener_of(const std::string& yaml, bool outbound) {
  for (const auto& r :
       compile_listeners(*sample::model(sample::kAll + yaml), sample::node("ratings-1"))) {
    if (outbound ? r.name != "outbound" : !r.name.ends_with("|80")) continue;
    const auto listener = xds::decode_listener(*r.body);
    if (!listener) FAIL(listener.error().text);
    return *listener;
  }
  FAIL("no such listener");
  return nullptr;
}

}  // namespace

TEST_CASE("telemetry: who logs, and what", "[discovery]") {
  const std::string off = "accessLogging: [{disabled: true}]";
  const std::string errors = "accessLogging: [{filter: {expression: \"response.code >= 400\"}}]";
  const std::string service = "targetRef: {group: networking.istio.io, kind: ServiceEntry, name: ";
  const std::string door =
      "targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: door";
  const auto gateway = [](const std::string& app) {
    return "---\napiVersion: networking.istio.io/v1\nkind: Gateway\n"
           "metadata: {name: door, namespace: demo}\nspec: {selector: {app: " +
           app + "}, servers: [{port: {number: 81, name: http, protocol: HTTP}, hosts: ['*']}]}\n";
  };
  struct Row {
    const char* name;
    std::string yaml;
    Seen inbound, outbound;
  };
  const Row rows[] = {
      {"nothing said", "", {1}, {1}},
      {"off", object("a", off), {0}, {0}},
      {"a part", object("a", errors), {1, true}, {1, true}},
      {"one side",
       object("a", "accessLogging: [{disabled: true, match: {mode: CLIENT}}]"),
       {1},
       {0}},
      {"the last entry",
       object("a", "accessLogging: [{disabled: true}, {match: {mode: SERVER}}]"),
       {1},
       {0}},
      {"the mesh's", object("a", off, "istio-system"), {0}, {0}},
      {"a service's, before the namespace's",
       object("a", errors) + object("b", service + "ratings}, " + off),
       {0},
       {0}},
      {"another service's", object("b", service + "reviews}, " + off), {1}, {1}},
      {"a gateway's", object("b", door + "}, " + off) + gateway("ratings"), {0}, {0}},
      {"another gateway's", object("b", door + "}, " + off) + gateway("web"), {1}, {1}},
      {"another namespace's", object("a", off, "other"), {1}, {1}},
      {"the nearest",
       object("a", off, "istio-system") + object("a", errors) +
           object("b", "selector: {matchLabels: {app: ratings}}, accessLogging: [{}]"),
       {1},
       {1}},
      {"another's", object("a", "selector: {matchLabels: {app: web}}, " + off), {1}, {1}},
      {"the nearest is silent",
       object("a", off) + object("b", "selector: {matchLabels: {app: ratings}}"),
       {0},
       {0}},
      {"the first of two", object("b", off) + object("a", errors), {1, true}, {1, true}},
      {"a trace context",
       object("a", "tracing: [{disableSpanReporting: true}]"),
       {1, false, true},
       {1, false, true}},
      {"a trace context of one side",
       object("a", "tracing: [{match: {mode: CLIENT}}]"),
       {1},
       {1, false, true}},
      {"none", object("a", "tracing: [{disableContextPropagation: true}]"), {1}, {1}},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(seen(row.yaml, false) == row.inbound);
    CHECK(seen(row.yaml, true) == row.outbound);
  }
}

TEST_CASE("telemetry: how many traces are sampled", "[discovery]") {
  const std::pair<std::string, int> rows[] = {
      {object("a", "tracing: [{}]"), 100},
      {object("a", "tracing: [{randomSamplingPercentage: 0}]"), 0},
      {object("a", "tracing: [{randomSamplingPercentage: 12.34}]"), 1234},
      {object("a", "tracing: [{randomSamplingPercentage: 100}]"), 10'000},
  };
  for (const auto& [yaml, share] : rows) {
    INFO(yaml);
    const auto listener = listener_of(yaml, true);
    CHECK(listener->filter_chains.at(0).trace_sampling.random == share);
    CHECK(listener->filter_chains.at(0).trace_sampling.overall == 10'000);
  }
}

TEST_CASE("telemetry: who takes spans, and what they say", "[discovery]") {
  const auto mesh = [](const std::string& more) {
    return "\n---\napiVersion: mesh/v1\nkind: MeshConfig\nmetadata: {name: m, namespace: "
           "istio-system}\nspec: {extensionProviders: [{name: otel, opentelemetry: {service: "
           "other/otel.example, port: 4317, maxTagLength: 100, grpc: {initialMetadata: [{name: a, "
           "value: b}]}}}, {name: http, opentelemetry: {service: otel.example, port: 4318, http: "
           "{path: /x, timeout: 5s, headers: [{name: a, value: b}]}}}, {name: bare, "
           "opentelemetry: {}}]" +
           more + "}\n";
  };
  const std::string otel = ", defaultProviders: {tracing: [otel]}";
  // Of the mesh, the namespace and the workload; of the outbound side.
  const auto spans = [&](const std::string& yaml) {
    return listener_of(yaml, true)->filter_chains.at(0).spans;
  };
  CHECK(spans(mesh("")) == nullptr);
  CHECK(spans(mesh("") + object("a", "tracing: [{}]")) == nullptr);
  CHECK(spans(mesh("") + object("a", "tracing: [{providers: [{name: lost}]}]")) == nullptr);
  CHECK(spans(mesh(otel) + object("a", "tracing: [{disableSpanReporting: true}]")) == nullptr);
  CHECK(spans(mesh(otel) + object("a",
                                  "tracing: [{match: {mode: CLIENT}, "
                                  "disableContextPropagation: true}]")) == nullptr);
  REQUIRE(spans(mesh(otel)));
  CHECK(spans(mesh(otel))->service == "ratings.demo");
  CHECK(spans(mesh(otel))->path_bytes_max == 100);
  CHECK(spans(mesh(otel))->collector == xds::SpanCollector{.cluster = "outbound|4317||otel.example",
                                                           .http = false,
                                                           .authority = "otel.example",
                                                           .path = {},
                                                           .timeout = {},
                                                           .headers = {{"a", "b"}}});
  const auto over = [&](const std::string& name) {
    return spans(mesh(otel) + object("a", "tracing: [{providers: [{name: " + name + "}]}]"));
  };
  CHECK(over("http")->collector == xds::SpanCollector{.cluster = "outbound|4318||otel.example",
                                                      .http = true,
                                                      .authority = "otel.example",
                                                      .path = "/x",
                                                      .timeout = std::chrono::seconds(5),
                                                      .headers = {{"a", "b"}}});
  // Of whom an Envoy has no cluster.
  CHECK(over("bare")->collector.cluster == "statsd");
  CHECK(over("bare")->path_bytes_max == xds::SpanPolicy::kPathBytes);

  // Each field has its nearest word; of tags the nearest list.
  const auto policy = spans(
      mesh(otel) +
      object("m",
             "tracing: [{randomSamplingPercentage: 7, enableIstioTags: false, customTags: {a: "
             "{literal: {value: mesh}}, z: {literal: {value: mesh}}}}]",
             "istio-system") +
      object("n",
             "tracing: [{providers: [{name: http}]}, {match: {mode: SERVER}, providers: "
             "[{name: bare}]}]") +
      object("w",
             "selector: {matchLabels: {app: ratings}}, tracing: [{customTags: {h: {header: {name: "
             "X-A, defaultValue: d}}, e: {environment: {name: MESH_TEST_UNSET, defaultValue: d}}, "
             "f: {formatter: {value: '%REQ(X-A)%'}}}}]"));
  REQUIRE(policy);
  CHECK(policy->collector.cluster == "outbound|4318||otel.example");
  std::string tags;
  for (const auto& tag : policy->tags)
    tags += tag.name + "=" + std::to_string(int(tag.kind)) + tag.text + "/" + tag.otherwise + " ";
  CHECK(tags == "e=0d/ f=2/ h=1x-a/d ");
}

TEST_CASE("telemetry: how metrics are shown", "[discovery]") {
  using telemetry::Metric;
  const std::string off =
      "metrics: [{overrides: [{match: {metric: REQUEST_SIZE, mode: SERVER}, disabled: true}]}]";
  CHECK(listener_of("", true)->metrics == nullptr);
  CHECK(listener_of(object("a", off), true)->metrics == nullptr);
  REQUIRE(listener_of(object("a", off), false)->metrics);
  CHECK((*listener_of(object("a", off), false)->metrics)[Metric::RequestBytes].disabled);
  CHECK_FALSE((*listener_of(object("a", off), false)->metrics)[Metric::Requests].disabled);

  // On top of each other: the mesh's, the namespace's, the workload's.
  const auto chosen =
      listener_of(object("m",
                         "metrics: [{overrides: [{tagOverrides: {one: {value: \"'mesh'\"}, two: "
                         "{value: \"'mesh'\"}}, disabled: true}]}]",
                         "istio-system") +
                      object("n",
                             "metrics: [{overrides: [{match: {metric: REQUEST_COUNT}, disabled: "
                             "false, tagOverrides: {two: {value: request.method}}}]}]") +
                      object("w",
                             "selector: {matchLabels: {app: ratings}}, metrics: [{overrides: "
                             "[{tagOverrides: {response_code: {operation: REMOVE}}}]}]"),
                  true)
          ->metrics;
  REQUIRE(chosen);
  CHECK_FALSE((*chosen)[Metric::Requests].disabled);
  CHECK((*chosen)[Metric::Duration].disabled);
  CHECK((*chosen)[Metric::TcpOpened].disabled);
  std::string told;
  for (const auto& tag : (*chosen)[Metric::Requests].tags)
    told += tag.name + "=" + (tag.value ? tag.value->key() : "-") + " ";
  CHECK(told == "one='mesh' response_code=- two=request.method ");
  CHECK(chosen->of_request.size() == 1);
}
