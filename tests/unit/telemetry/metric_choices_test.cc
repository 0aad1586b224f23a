// How standard metrics are shown: mesh-config(5), Telemetry, "metrics".
#include "telemetry/metric_choices.h"

#include <catch2/catch.hpp>
#include <string>

#include "telemetry/prometheus.h"
#include "telemetry/registry.h"

using namespace mesh;
using namespace mesh::telemetry;

namespace {

TagValue value(const std::string& expression) {
  auto parsed = parse_tag_value(expression);
  if (!parsed) FAIL(parsed.error().text);
  return *std::move(parsed);
}

Labels from_web() {
  Labels labels;
  labels[Label::Reporter] = "source";
  labels[Label::SourceWorkload] = "web";
  return labels;
}

// One request of each status, seen through choices for requests; the page's lines of `metric`.
std::string page(const MetricChoices& choices, Metric metric,
                 const std::vector<std::string_view>& of_request = {}) {
  Registry registry;
  for (const uint16_t status : {uint16_t(200), uint16_t(503)}) {
    RequestFacts facts;
    facts.status = status;
    Scope& scope = registry.scope(from_web());
    (of_request.empty() ? scope : scope.with(choices.of_request, of_request)).record(facts);
  }
  Snapshot totals;
  registry.collect(totals);
  apply(&choices, nullptr, totals);
  std::string lines;
  const std::string all = prometheus_page(totals);
  const std::string wanted =
      std::string(name(metric)) + (metric == Metric::Duration ? "_count{" : "{");
  for (size_t at = 0; (at = all.find("\n" + wanted, at)) != std::string::npos; ++at)
    lines += all.substr(at + 1, all.find('\n', at + 1) - at);
  return lines;
}

size_t count(const std::string& lines) {
  return size_t(std::count(lines.begin(), lines.end(), '\n'));
}
bool has(const std::string& lines, const std::string& what) {
  return lines.find(what) != std::string::npos;
}

MetricChoices choosing(Metric metric, MetricChoice choice) {
  MetricChoices choices;
  choices.of[size_t(metric)] = std::move(choice);
  REQUIRE(choices.gather());
  return choices;
}

}  // namespace

TEST_CASE("metric choices: a value is a text or an attribute", "[telemetry]") {
  using Kind = TagValue::Kind;
  CHECK(value("'a b'") == TagValue{Kind::Text, {}, "a b"});
  CHECK(value(" string( \"a\" ) ") == TagValue{Kind::Text, {}, "a"});
  CHECK(value("request.host").kind == Kind::Host);
  CHECK(value("string(destination.port)").kind == Kind::DestinationPort);
  CHECK(value("request.headers['X-A']") == TagValue{Kind::Header, {}, "x-a"});
  CHECK(value("request.useragent") == value("request.headers[\"user-agent\"]"));
  CHECK(value("response.code") == TagValue{Kind::Label, Label::ResponseCode, ""});
  CHECK(value("upstream_peer.workload") == TagValue{Kind::Label, Label::DestinationWorkload, ""});
  for (const char* const no : {"", "a", "'a", "'a'b'", "'\\n'", "request.headers[x]", "string('a'",
                               "request.headers['a b']", "request.method == 'GET'"}) {
    INFO(no);
    CHECK_FALSE(parse_tag_value(no));
  }
}

TEST_CASE("metric choices: a metric is not shown, the others are", "[telemetry]") {
  const auto choices = choosing(Metric::Requests, {.disabled = true});
  CHECK(page(choices, Metric::Requests).empty());
  CHECK(count(page(choices, Metric::Duration)) == 2);
  CHECK(count(page(choices, Metric::RequestBytes)) == 0);  // its lines have other suffixes
}

TEST_CASE("metric choices: a label is left out, and series become one", "[telemetry]") {
  const auto choices = choosing(Metric::Requests, {.tags = {{"response_code", std::nullopt}}});
  const std::string lines = page(choices, Metric::Requests);
  CHECK(count(lines) == 1);
  CHECK_FALSE(has(lines, "response_code="));
  CHECK(has(lines, "} 2\n"));
  CHECK(count(page(choices, Metric::Duration)) == 2);
}

TEST_CASE("metric choices: labels are set, and added", "[telemetry]") {
  const auto choices = choosing(Metric::Requests, {.tags = {{"source_app", value("'shop'")},
                                                            {"zone", value("'a\"b'")},
                                                            {"code", value("response.code")},
                                                            {"mtls", value("connection.mtls")},
                                                            {"gone", std::nullopt}}});
  const std::string lines = page(choices, Metric::Requests);
  CHECK(count(lines) == 2);
  CHECK(has(lines, "source_app=\"shop\""));
  CHECK(has(lines, "zone=\"a\\\"b\"} 1\n"));
  CHECK(has(lines, ",code=\"503\",mtls=\"false\","));
  CHECK_FALSE(has(lines, "gone"));
  CHECK_FALSE(has(page(choices, Metric::Duration), "zone"));
}

TEST_CASE("metric choices: what is known of the request alone", "[telemetry]") {
  const auto choices =
      choosing(Metric::Duration,
               {.tags = {{"method", value("request.method")}, {"host", value("request.host")}}});
  REQUIRE(choices.of_request.size() == 2);
  const std::string lines = page(choices, Metric::Duration, {"GET", "a\xff\n.example"});
  CHECK(has(lines, "host=\"a??.example\",method=\"GET\"} 1\n"));
  // Others do not show it, and are one series for all values.
  CHECK_FALSE(has(page(choices, Metric::Requests, {"GET", "a"}), "GET"));
  // Without any value it is unknown.
  CHECK(has(page(choices, Metric::Duration), "host=\"unknown\",method=\"unknown\""));
}

TEST_CASE("metric choices: values of requests are bounded", "[telemetry]") {
  const auto choices = choosing(Metric::Requests, {.tags = {{"path", value("request.url_path")}}});
  Registry registry;
  Scope& scope = registry.scope(from_web());
  for (size_t i = 0; i < Registry::kVariantsMax + 100; ++i) {
    const std::string path = "/" + std::to_string(i);
    const std::string_view values[] = {path};
    scope.with(choices.of_request, values).record({});
  }
  const std::string_view first[] = {"/0"};
  CHECK(&scope.with(choices.of_request, first) == &scope.with(choices.of_request, first));
  Snapshot totals;
  registry.collect(totals);
  apply(&choices, nullptr, totals);
  size_t paths = 0;
  uint64_t overflow = 0;
  for (const auto& [labels, requests] : totals.requests) {
    if (labels.tags.empty()) continue;  // of the metrics that do not show it
    ++paths;
    if (labels.tags[0].second == "overflow") overflow += requests.requests;
  }
  CHECK(paths == Registry::kVariantsMax + 1);
  CHECK(overflow == 100);
  // Without the choice nobody sees what was asked of requests.
  totals = {};
  registry.collect(totals);
  apply(nullptr, nullptr, totals);
  REQUIRE(totals.requests.size() == 1);
  CHECK(totals.requests.begin()->second.requests == Registry::kVariantsMax + 100);
}

TEST_CASE("metric choices: each side has its own", "[telemetry]") {
  const auto choices = choosing(Metric::TcpOpened, {.tags = {{"a", value("'b'")}}});
  Registry registry;
  Labels received = from_web();
  received[Label::Reporter] = "destination";
  registry.scope(from_web()).tcp_opened(kUnknownPeer, Security::None);
  registry.scope(received).tcp_opened(kUnknownPeer, Security::None);
  Snapshot totals;
  registry.collect(totals);
  apply(&choices, nullptr, totals);
  for (const auto& [labels, tcp] : totals.tcp)
    if (tcp.opened != 0) CHECK(labels.tags.empty() == (labels[Label::Reporter] == "destination"));
}
