// Tracing of a connection manager in a bootstrap: what is taken, and how the rest is refused.
#include <catch2/catch.hpp>
#include <cstdlib>

#include "support/temp_dir.h"
#include "xds/decode.h"

namespace {

using namespace mesh;
using namespace mesh::xds;
using namespace std::chrono_literals;

Result<Bootstrap> read(const std::string& hcm) {
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
          routeConfig: {virtualHosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /}, directResponse: {status: 204}}]}]}
          httpFilters: [{name: router, typedConfig: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
          )" + hcm + "\n"));
}

const std::string kGrpc = ", grpcService: {envoyGrpc: {clusterName: c}}";

std::string otel(const std::string& config, const std::string& more = "") {
  return "tracing: {provider: {name: o, typedConfig: {\"@type\": "
         "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig" +
         config + "}}" + more + "}";
}

TEST_CASE("tracing: what a provider is, and its tags", "[xds]") {
  ::setenv("MESH_TEST_TRACING", "here", 1);
  const auto bootstrap = read(otel(
      ", serviceName: shop, httpService: {httpUri: {uri: 'http://otel:4318/v1/traces', cluster: c, "
      "timeout: 2s}, requestHeadersToAdd: [{header: {key: X-Key, value: v}}]}",
      ", maxPathTagLength: 64, customTags: [{tag: a, literal: {value: b}}, {tag: e, environment: "
      "{name: MESH_TEST_TRACING, defaultValue: d}}, {tag: u, environment: {name: "
      "MESH_TEST_UNSET, defaultValue: d}}, {tag: h, requestHeader: {name: X-H, defaultValue: d}}, "
      "{tag: f, value: '%PROTOCOL%'}]"));
  INFO((bootstrap ? "" : bootstrap.error().text));
  REQUIRE(bootstrap);
  const FilterChain& chain = bootstrap->config.listeners[0]->filter_chains[0];
  CHECK(chain.trace_context);
  CHECK(chain.trace_sampling.by_request_id);
  REQUIRE(chain.spans);
  CHECK(chain.spans->service == "shop");
  CHECK(chain.spans->path_bytes_max == 64);
  CHECK(chain.spans->collector == SpanCollector{.cluster = "c",
                                                .http = true,
                                                .authority = "otel:4318",
                                                .path = "/v1/traces",
                                                .timeout = 2s,
                                                .headers = {{"x-key", "v"}}});
  std::string tags;
  for (const SpanTag& tag : chain.spans->tags)
    tags += tag.name + "=" + tag.text + "/" + tag.otherwise + " ";
  CHECK(tags == "a=b/ e=here/ u=d/ h=x-h/d f=/ ");
}

TEST_CASE("tracing: with and without who takes spans", "[xds]") {
  const auto chain_of = [](const std::string& hcm) {
    auto bootstrap = read(hcm);
    if (!bootstrap) FAIL(bootstrap.error().text);
    return bootstrap->config.listeners[0]->filter_chains[0].spans;
  };
  CHECK(chain_of("") == nullptr);
  CHECK(chain_of("tracing: {}") == nullptr);
  REQUIRE(chain_of(otel(kGrpc)));
  CHECK(chain_of(otel(kGrpc))->service == "unknown_service:envoy");
  CHECK(chain_of(otel(", grpcService: {envoyGrpc: {clusterName: c, authority: a}, "
                      "initialMetadata: [{key: K, value: v}]}"))
            ->collector == SpanCollector{.cluster = "c",
                                         .http = false,
                                         .authority = "a",
                                         .path = {},
                                         .timeout = {},
                                         .headers = {{"k", "v"}}});
  const auto by_share = read(
      "tracing: {}\n          requestIdExtension: {typedConfig: {\"@type\": "
      "type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig, "
      "useRequestIdForTraceSampling: false}}");
  REQUIRE(by_share);
  CHECK_FALSE(by_share->config.listeners[0]->filter_chains[0].trace_sampling.by_request_id);
}

TEST_CASE("tracing: how a route calls its spans", "[xds]") {
  const auto decorated = [](const std::string& decorator) {
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
          routeConfig: {virtualHosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /}, directResponse: {status: 204}, )" +
                                                      decorator + R"(}]}]}
          httpFilters: [{name: router, typedConfig: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
)"));
  };
  const auto route_of = [](const Bootstrap& bootstrap) {
    return bootstrap.config.listeners[0]->filter_chains[0].route_config->hosts()[0].routes[0];
  };
  const auto told = decorated("decorator: {operation: checkout}");
  REQUIRE(told);
  REQUIRE(route_of(*told).decorator);
  CHECK(route_of(*told).decorator->operation == "checkout");
  CHECK(route_of(*told).decorator->propagate);
  const auto kept = decorated("decorator: {operation: checkout, propagate: false}");
  REQUIRE(kept);
  CHECK_FALSE(route_of(*kept).decorator->propagate);
  CHECK_FALSE(decorated("decorator: {}"));
}

TEST_CASE("tracing: what is refused", "[xds]") {
  struct Row {
    const char* says;
    std::string hcm, want;
  };
  const auto tag = [](const std::string& one) {
    return otel(kGrpc, ", customTags: [" + one + "]");
  };
  const Row rows[] = {
      {"another tracer",
       "tracing: {provider: {name: z, typedConfig: {\"@type\": "
       "type.googleapis.com/envoy.config.trace.v3.ZipkinConfig}}}",
       "ZipkinConfig"},
      {"nobody", otel(", serviceName: s"), "expected grpc_service or http_service"},
      {"a sampler", otel(kGrpc + ", sampler: {name: s}"), "sampler: is not supported"},
      {"more spans", "tracing: {spawnUpstreamSpan: true}", "spawn_upstream_span: is not supported"},
      {"a tag without a name", tag("{literal: {value: a}}"), "custom_tags[0].tag: is empty"},
      {"a tag of nothing", tag("{tag: a}"),
       "custom_tags[0]: expected literal, environment, request_header or value"},
      {"a tag of metadata", tag("{tag: a, metadata: {}}"), "metadata: is not supported"},
      {"an operator that is none", tag("{tag: a, value: '%LOST%'}"), "custom_tags[0].value: "},
      {"nowhere", otel(", grpcService: {envoyGrpc: {}}"), "envoy_grpc.cluster_name: is empty"},
      {"a URI without a host", otel(", httpService: {httpUri: {uri: /x, cluster: c, timeout: 1s}}"),
       "http_uri.uri: names no host"},
  };
  for (const Row& row : rows) {
    INFO(row.says);
    const auto bootstrap = read(row.hcm);
    REQUIRE_FALSE(bootstrap);
    INFO(bootstrap.error().text);
    CHECK(bootstrap.error().text.find(row.want) != std::string::npos);
  }
}

}  // namespace
