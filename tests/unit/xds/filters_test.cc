// HTTP filters and the overload manager of a bootstrap: what is taken, and how the
// rest is refused.
#include <catch2/catch.hpp>

#include "resilience/adaptive_rule.h"
#include "resilience/breaker_rule.h"
#include "route/actions.h"
#include "route/rate_limit.h"
#include "support/temp_dir.h"
#include "xds/decode.h"

namespace {

using namespace mesh;
using namespace mesh::xds;
using namespace std::chrono_literals;

const std::string kRouter =
    "{name: router, typedConfig: {\"@type\": "
    "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}";

Result<Bootstrap> read(const std::string& filters, const std::string& overrides = "{}",
                       const std::string& more = "") {
  const support::TempDir dir;
  return read_bootstrap(dir.write("envoy.yaml", R"(
staticResources:
  listeners:
  - name: l
    address: {socketAddress: {address: 127.0.0.1, portValue: 0}}
    filterChains:
    - filters:
      - name: http
        typedConfig:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          statPrefix: edge
          routeConfig:
            virtualHosts:
            - name: all
              domains: ["*"]
              typedPerFilterConfig: )" + overrides +
                                                    R"(
              routes: [{match: {prefix: /}, directResponse: {status: 204}}]
          httpFilters: [)" + filters + kRouter + "]\n" +
                                                    more));
}

// What the error says after the place of the filter; empty: accepted.
std::string said(const Result<Bootstrap>& result, const std::string& after) {
  if (result) return "";
  const std::string& text = result.error().text;
  const size_t at = text.find(after);
  return at == std::string::npos ? text : text.substr(at + after.size());
}

std::string filter(const std::string& type, const std::string& config) {
  return "{name: f, typedConfig: {\"@type\": type.googleapis.com/" + type + ", " + config + "}}, ";
}

const std::string kBreaker = "mesh.xds.v1.CircuitBreaker";
const std::string kLimit = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit";
const std::string kAdaptive =
    "envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency";

struct Row {
  const char* says;
  std::string config;
  const char* want;
};

void check(const std::string& type, std::span<const Row> rows) {
  for (const Row& row : rows) {
    INFO(row.says);
    CHECK(said(read(filter(type, row.config)), "http_filters[0].typed_config") == row.want);
  }
}

TEST_CASE("filters: circuit breakers") {
  const auto breaker = [](const std::string& b) { return "breakers: [{" + b + "}]"; };
  const std::string least = "name: b, errorPerMillion: 1";
  const Row rows[] = {
      {"the least", breaker(least), ""},
      {"no name", breaker("errorPerMillion: 1"), ".breakers[0].name: is empty"},
      {"nothing is judged", breaker("name: b"),
       ".breakers[0]: expected error_per_million, timeout_per_million or slow_per_million"},
      {"a name twice", breaker(least + "}, {" + least),
       ".breakers[1].name: \"b\" is there already"},
      {"slow than what", breaker(least + ", slowPerMillion: 5"),
       ".breakers[0]: slow_per_million and slow_after need each other"},
      {"a fallback's header",
       breaker(least + ", fallback: {response: {status: 200, headers: [{name: Host, value: x}]}}"),
       ".breakers[0].fallback.response.headers[0]: \"host\" is the forwarder's own to set"},
  };
  check(kBreaker, rows);
  CHECK(said(read(filter(kBreaker, breaker(least + ", fallback: {cluster: spare}"))),
             "listener l") == ", circuit breaker b: no cluster \"spare\"");
}

TEST_CASE("filters: local rate limits") {
  const std::string least = "statPrefix: s, tokenBucket: {maxTokens: 5, fillInterval: 1s}";
  const Row rows[] = {
      {"the least", least, ""},
      {"too often", "statPrefix: s, tokenBucket: {maxTokens: 5, fillInterval: 0.01s}",
       ".token_bucket.fill_interval: is at least 50ms"},
      {"for each connection", least + ", localRateLimitPerDownstreamConnection: true",
       ".local_rate_limit_per_downstream_connection: is not supported"},
      {"an action that we have not", least + ", rateLimits: [{actions: [{sourceCluster: {}}]}]",
       ".rate_limits[0].actions[0].source_cluster: is not supported"},
      {"an action of nothing", least + ", rateLimits: [{actions: [{genericKey: {}}]}]",
       ".rate_limits[0].actions[0]: the descriptor_value is empty"},
  };
  check(kLimit, rows);
  const auto route = read(filter(kLimit, least),
                          "{f: {\"@type\": type.googleapis.com/" + kLimit + ", statPrefix: s}}");
  CHECK(said(route, "typed_per_filter_config[f]") == ".token_bucket: is missing");
}

TEST_CASE("filters: adaptive concurrency") {
  const auto controller = [](const std::string& rtt) {
    return "gradientControllerConfig: {concurrencyLimitParams: {concurrencyUpdateInterval: 0.1s}, "
           "minRttCalcParams: {" +
           rtt + "}}";
  };
  const Row rows[] = {
      {"the least", controller("interval: 60s"), ""},
      {"no controller", "enabled: {defaultValue: true}", ": expected gradient_controller_config"},
      {"no interval", controller("requestCount: 5"),
       ".gradient_controller_config.min_rtt_calc_params.interval: is at least 1ms"},
      {"a jitter of over all", controller("interval: 60s, jitter: {value: 101}"),
       ".gradient_controller_config.min_rtt_calc_params.jitter: is 0 to 100"},
  };
  check(kAdaptive, rows);
}

TEST_CASE("filters: on demand") {
  const std::string type = "envoy.extensions.filters.http.on_demand.v3.OnDemand";
  const std::string none =
      "{name: f, typedConfig: {\"@type\": type.googleapis.com/" + type + "}}, ";
  CHECK(read(none));
  CHECK(said(read(filter(type, "odcds: {}")), "http_filters[0].typed_config") ==
        ".odcds: is not supported");
  CHECK_FALSE(read(none, "{f: {\"@type\": type.googleapis.com/" + type + "}}"));
}

TEST_CASE("filters: routes override by name, or switch off and on") {
  const auto result = read(
      filter("envoy.extensions.filters.http.fault.v3.HTTPFault", "abort: {httpStatus: 500}"),
      "{f: {\"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}}");
  INFO((result ? "" : result.error().text));
  REQUIRE(result);
  const auto& chain = result->config.listeners[0]->filter_chains[0];
  REQUIRE(chain.http_filters.size() == 1);
  const auto& overrides = chain.route_config->hosts()[0].routes[0].filters;
  REQUIRE(overrides != nullptr);
  CHECK((*overrides)[0].name == "f");
  CHECK((*overrides)[0].disabled);
  CHECK((*overrides)[0].config == nullptr);
}

TEST_CASE("bootstrap: the overload manager") {
  const auto overload = [](const std::string& text) {
    return read("", "{}", "overloadManager: {" + text + "}\n");
  };
  const std::string heap =
      "{name: heap, typedConfig: {\"@type\": "
      "type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig, "
      "maxHeapSizeBytes: 1000}}";
  const auto action = [&](const std::string& name, const std::string& trigger) {
    return overload("resourceMonitors: [" + heap + "], actions: [{name: " + name +
                    ", triggers: [{" + trigger + "}]}]");
  };
  const auto good = action("envoy.overload_actions.stop_accepting_requests",
                           "name: heap, threshold: {value: 0.9}");
  INFO((good ? "" : good.error().text));
  REQUIRE(good);
  CHECK(good->overload.memory_bytes_max == 1000);
  CHECK(good->overload.refresh == 1s);
  REQUIRE(good->overload.triggers.size() == 1);
  CHECK(good->overload.triggers[0].action == resilience::OverloadAction::StopAcceptingRequests);
  CHECK(good->overload.triggers[0].threshold == 0.9);
  CHECK(said(action("envoy.overload_actions.shrink_heap", "name: heap, threshold: {value: 0.9}"),
             "overload_manager.") ==
        "actions[0].name: \"envoy.overload_actions.shrink_heap\" is not supported");
  CHECK(said(action("envoy.overload_actions.stop_accepting_requests",
                    "name: cpu, threshold: {value: 0.9}"),
             "overload_manager.") ==
        "actions[0].triggers[0].name: no resource monitor is called so");
}

TEST_CASE("filters: what a route's CORS policy leaves empty is its virtual host's") {
  const std::string cors = "\"@type\": type.googleapis.com/envoy.extensions.filters.http.cors.v3.";
  const support::TempDir dir;
  const auto read = read_bootstrap(dir.write(
      "envoy.yaml",
      R"(
staticResources:
  listeners:
  - name: l
    address: {socketAddress: {address: 127.0.0.1, portValue: 0}}
    filterChains:
    - filters:
      - name: http
        typedConfig:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          statPrefix: edge
          routeConfig:
            typedPerFilterConfig: {f: {)" +
          cors + R"(CorsPolicy, maxAge: "7", exposeHeaders: x-all}}
            virtualHosts:
            - name: all
              domains: ["*"]
              typedPerFilterConfig: {f: {)" +
          cors +
          R"(CorsPolicy, allowOriginStringMatch: [{exact: "https://a"}], allowMethods: GET, allowCredentials: true, forwardNotMatchingPreflights: false, filterEnabled: {defaultValue: {numerator: 0}}}}
              routes:
              - match: {prefix: /}
                directResponse: {status: 204}
                typedPerFilterConfig: {f: {)" +
          cors + R"(CorsPolicy, allowMethods: PUT, allowCredentials: false}}
          httpFilters: [)" +
          "{name: f, typedConfig: {" + cors + "Cors}}, " + kRouter + "]\n"));
  if (!read) FAIL(read.error().text);
  const auto& routes = *read->config.listeners.at(0)->filter_chains.at(0).route_config;
  const auto* const policy =
      route::value_in<route::CorsPolicy>(routes.hosts().at(0).routes.at(0).filters.get());
  REQUIRE(policy != nullptr);
  CHECK(policy->allow_methods == "PUT");
  CHECK(policy->allow_credentials == false);
  CHECK(policy->max_age == "7");
  CHECK(policy->expose_headers == "x-all");
  REQUIRE(policy->allow_origins.size() == 1);
  CHECK(policy->forward_not_matching_preflights == false);
  CHECK_FALSE(policy->allow_private_network_access.has_value());
  CHECK_FALSE(policy->enabled);  // whether it is in force, the most specific one says
}

}  // namespace
