// Telemetry, and which requests its logs take.
#include <catch2/catch.hpp>

#include "config/log_expression.h"
#include "unit/config/said.h"

namespace {

using namespace mesh;
using namespace mesh::config;
using mesh::testing::said_of;

// As a text: "status >= 400", "(a or b)".
std::string told(const LogExpression& e) {
  using Kind = LogExpression::Kind;
  constexpr const char* kOps[] = {"==", "!=", ">=", "<="};
  constexpr const char* kHows[] = {"is", "starts", "ends", "contains", "matches"};
  std::string all;
  switch (e.kind) {
    case Kind::All:
    case Kind::Any:
      for (const auto& part : e.parts)
        all += (all.empty() ? "(" : e.kind == Kind::All ? " and " : " or ") + told(part);
      return all + ")";
    case Kind::Status: all = "status"; break;
    case Kind::Millis: all = "ms"; break;
    case Kind::Field:
      return (e.negated ? "not " : "") + e.name + " " + kHows[int(e.how)] + " " + e.text;
    case Kind::Has: return (e.negated ? "no " : "has ") + e.name;
  }
  return all + " " + kOps[int(e.op)] + " " + std::to_string(e.number);
}

}  // namespace

TEST_CASE("telemetry: which requests a log takes", "[config]") {
  const std::pair<const char*, const char*> rows[] = {
      {"response.code >= 400", "status >= 400"},
      {"response.code > 399", "status >= 400"},
      {"response.code < 400", "status <= 399"},
      {"response.code<=399", "status <= 399"},
      {"response.code == 503 || response.code != 200", "(status == 503 or status != 200)"},
      {"!(response.code >= 400)", "status <= 399"},
      {"!(response.code < 400)", "status >= 400"},
      {"!!(response.code <= 400)", "status <= 400"},
      {"!(response.code <= 400)", "status >= 401"},
      {"request.duration >= duration('1.5s')", "ms >= 1500"},
      {"request.duration < duration('20ms')", "ms <= 19"},
      {"!(request.duration < duration('20ms'))", "ms >= 20"},
      {"request.method == 'GET'", ":method is GET"},
      {"request.method != \"GET\"", "not :method is GET"},
      {"request.host.endsWith('.shop')", ":authority ends .shop"},
      {"request.path.contains('a=b')", ":path contains a=b"},
      {"request.path.matches('^/v[12]/')", ":path matches .*(?:^/v[12]/).*"},
      {"request.url_path == '/a.b'", ":path matches /a\\.b(\\?.*)?"},
      {"request.url_path.startsWith('/healthz')", ":path starts /healthz"},
      {"request.headers['X-A'] == 'b'", "x-a is b"},
      {"request.headers['x-a'] != 'b'", "(has x-a and not x-a is b)"},
      {"'x-a' in request.headers", "has x-a"},
      {"!('x-a' in request.headers)", "no x-a"},
      {"response.code >= 500 && request.method == 'GET' && 'a' in request.headers",
       "(status >= 500 and :method is GET and has a)"},
      {"response.code == 1 && response.code == 2 || response.code == 3",
       "((status == 1 and status == 2) or status == 3)"},
      {"!(response.code == 1 && (response.code == 2 || request.method == 'A'))",
       "(status != 1 or (status != 2 and not :method is A))"},
  };
  for (const auto& [text, expected] : rows) {
    INFO(text);
    const auto parsed = parse_log_expression(text);
    if (!parsed) FAIL(parsed.error().text);
    CHECK(told(*parsed) == expected);
  }
}

TEST_CASE("telemetry: what is no such expression is named by its place", "[config]") {
  const std::string known =
      "response.code, request.duration, request.method, request.host, request.path, "
      "request.url_path or request.headers['NAME']";
  const std::pair<std::string, std::string> rows[] = {
      {"", "at byte 1: expected " + known + ", got the end"},
      {"connection.mtls", "at byte 1: expected " + known + ", got \"connection.mtls\""},
      {"response.code", "at byte 14: expected ==, !=, >=, <=, > or <, got the end"},
      {"response.code == 'a'", "at byte 18: expected a number, got \"'a'\""},
      {"response.code == 1 and", "at byte 20: expected &&, || or the end, got \"and\""},
      {"(response.code == 1", "at byte 20: expected ), got the end"},
      {"request.duration > duration('1s')",
       "at byte 18: expected >= or <, got \"> duration('1s')\""},
      {"request.duration >= duration('1us')",
       "at byte 30: expected whole milliseconds, such as '500ms', got \"'1us')\""},
      {"request.method.size()",
       "at byte 15: expected ==, !=, .startsWith(), .endsWith(), .contains() or .matches(), got "
       "\".size()\""},
      {"request.method == 'a", "at byte 19: expected a text in quotes, without \\, got \"'a\""},
      {"request.url_path.endsWith('a')",
       "at byte 17: expected ==, != or .startsWith(); request.path has the query too, got "
       "\".endsWith('a')\""},
  };
  for (const auto& [text, expected] : rows) {
    INFO(text);
    const auto parsed = parse_log_expression(text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().text == expected);
  }
  std::string deep(100, '(');
  CHECK(parse_log_expression(deep).error().text == "nested too deep");
}

TEST_CASE("object: Telemetry", "[config]") {
  const testing::Saying rows[] = {
      {"nothing", "", ""},
      {"every field",
       "selector: {matchLabels: {app: a}}, accessLogging: [{providers: [{name: envoy}], disabled: "
       "false, match: {mode: CLIENT}, filter: {expression: \"response.code >= 400\"}}], tracing: "
       "[{disableSpanReporting: true, disableContextPropagation: false, match: {mode: SERVER}, "
       "randomSamplingPercentage: 0.25, providers: [{name: otel}], useRequestIdForTraceSampling: "
       "false, enableIstioTags: false, customTags: {a: {literal: {value: b}}, c: {environment: "
       "{name: D, defaultValue: e}}, f: {header: {name: X-G, defaultValue: h}}, i: {formatter: "
       "{value: '%PROTOCOL%'}}}}], metrics: [{providers: [{name: prometheus}], overrides: "
       "[{match: {metric: REQUEST_COUNT, mode: CLIENT}, disabled: true, tagOverrides: {a: {value: "
       "request.host}, response_code: {operation: REMOVE}}}]}]",
       ""},
      {"another provider", "accessLogging: [{providers: [{name: otel}]}]",
       "spec.accessLogging[0].providers[0]: not supported: provider \"otel\"; use envoy, the file "
       "that the forwarder's settings name"},
      {"an expression that is none", "accessLogging: [{filter: {expression: \"true\"}}]",
       "spec.accessLogging[0].filter.expression: at byte 1: expected response.code, "
       "request.duration, request.method, request.host, request.path, request.url_path or "
       "request.headers['NAME'], got \"true\""},
      {"a regex that is none",
       "accessLogging: [{filter: {expression: \"request.path.matches('(')\"}}]",
       "spec.accessLogging[0].filter.expression: regex \".*(?:().*\": missing ): .*(?:().*"},
      {"over all", "tracing: [{randomSamplingPercentage: 101}]",
       "spec.tracing[0].randomSamplingPercentage: expected a number from 0 to 100"},
      {"two who take spans", "tracing: [{providers: [{name: a}, {name: b}]}]",
       "spec.tracing[0].providers: at most one"},
      {"a tag of nothing", "tracing: [{customTags: {a: {}}}]",
       "spec.tracing[0].customTags[\"a\"]: expected literal, environment, header or formatter"},
      {"a tag of no header", "tracing: [{customTags: {a: {header: {name: 'x y'}}}}]",
       "spec.tracing[0].customTags[\"a\"].header.name: expected the name of a header"},
      {"an operator that is none",
       "tracing: [{customTags: {a: {formatter: {value: '%NO_SUCH_OPERATOR_AT_ALL%'}}}}]",
       "spec.tracing[0].customTags[\"a\"].formatter.value: operator "
       "\"%NO_SUCH_OPERATOR_AT_ALL%\" is not supported"},
      {"metrics elsewhere", "metrics: [{providers: [{name: stackdriver}]}]",
       "spec.metrics[0].providers[0]: not supported: provider \"stackdriver\"; use prometheus, the "
       "page of statsd"},
      {"the two counts alike",
       "metrics: [{overrides: [{tagOverrides: {reporter: {operation: REMOVE}}}]}]",
       "spec.metrics[0].overrides[0].tagOverrides[\"reporter\"]: the tag reporter tells the two "
       "counts "
       "of a request apart; it stays"},
      {"no value", "metrics: [{overrides: [{tagOverrides: {a: {}}}]}]",
       "spec.metrics[0].overrides[0].tagOverrides[\"a\"].value: UPSERT needs a value"},
      {"a value too many",
       "metrics: [{overrides: [{tagOverrides: {a: {operation: REMOVE, value: \"'b'\"}}}]}]",
       "spec.metrics[0].overrides[0].tagOverrides[\"a\"].value: REMOVE takes no value"},
      {"no expression of ours",
       "metrics: [{overrides: [{tagOverrides: {a: {value: \"request.size + 1\"}}}]}]",
       "spec.metrics[0].overrides[0].tagOverrides[\"a\"].value: expected 'TEXT' or an attribute "
       "such "
       "as "
       "request.method, request.host, request.headers['NAME'], response.code, destination.port, "
       "upstream_peer.workload, not \"request.size + 1\""},
  };
  check_sayings("telemetry.istio.io/v1", "Telemetry", rows);
  CHECK(said_of("telemetry.istio.io/v1alpha1", "Telemetry", "").empty());
  CHECK_FALSE(said_of("telemetry.istio.io/v1beta1", "Telemetry", "").empty());
}
