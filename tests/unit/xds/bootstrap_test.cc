#include <catch2/catch.hpp>

#include "support/temp_dir.h"
#include "xds/decode.h"

namespace {

using namespace mesh;
using namespace mesh::xds;

std::string bootstrap(const std::string& cluster_extra = "", const std::string& target = "app") {
  return R"(
node: {id: edge, cluster: test}
admin: {address: {socketAddress: {address: 127.0.0.1, portValue: 9901}}}
staticResources:
  secrets:
  - name: roots
    validationContext: {trustedCa: {filename: ca.pem}}
  listeners:
  - address: {socketAddress: {address: 127.0.0.1, portValue: 0}}
    filterChains:
    - transportSocket:
        name: tls
        typedConfig:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          commonTlsContext:
            tlsCertificates:
            - {certificateChain: {filename: cert.pem}, privateKey: {filename: key.pem}}
            validationContextSdsSecretConfig: {name: roots}
      filters:
      - name: http
        typedConfig:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          statPrefix: edge
          routeConfig:
            virtualHosts:
            - name: all
              domains: ["*"]
              routes: [{match: {prefix: /}, route: {cluster: )" +
         target + R"(}}]
          accessLog:
          - name: file
            typedConfig: {"@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: /dev/stdout}
          httpFilters:
          - name: router
            typedConfig: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  clusters:
  - name: app
    connectTimeout: 1s
    loadAssignment:
      clusterName: app
      endpoints: [{lbEndpoints: [{endpoint: {address: {socketAddress: {address: 127.0.0.1, portValue: 8080}}}}]}]
)" + cluster_extra;
}

Result<Bootstrap> read(const std::string& yaml) {
  const support::TempDir dir;
  return read_bootstrap(dir.write("envoy.yaml", yaml));
}

TEST_CASE("a bootstrap becomes a whole configuration") {
  const auto result = read(bootstrap());
  INFO((result ? "" : result.error().text));
  REQUIRE(result);
  CHECK(result->node_id == "edge");
  CHECK(result->admin == "127.0.0.1:9901");
  const Config& config = result->config;
  REQUIRE(config.listeners.size() == 1);
  CHECK(config.listeners[0]->name == "listener_0");
  const FilterChain& chain = config.listeners[0]->filter_chains.at(0);
  REQUIRE(chain.tls);
  CHECK(chain.tls->validation_secret == "roots");
  CHECK(config.secrets.at("roots")->trusted_ca.file == "ca.pem");
  CHECK(config.secrets.at(chain.tls->certificate_secrets.at(0))->certificate_chain.file ==
        "cert.pem");
  CHECK(config.secrets.at(chain.tls->certificate_secrets.at(0))->private_key.file == "key.pem");
  CHECK(chain.access_logs.at(0).path == "/dev/stdout");
  REQUIRE(chain.route_config);
  REQUIRE(config.clusters.contains("app"));
  CHECK(config.endpoints.at("app")->endpoints.at(0).address.port == 8080);
}

TEST_CASE("a bootstrap that does not hold together says where") {
  const auto refused = [](const std::string& yaml) {
    const auto result = read(yaml);
    return result ? "no error" : result.error().text;
  };
  CHECK_THAT(refused(bootstrap("", "nowhere")),
             Catch::EndsWith("listener listener_0, virtual host all: no cluster \"nowhere\""));
  CHECK_THAT(refused(bootstrap("  - name: app\n    loadAssignment: {clusterName: app}\n")),
             Catch::EndsWith("static_resources.clusters[1].name: \"app\" is there already"));
  CHECK_THAT(
      refused(bootstrap("  - name: other\n    type: EDS\n    edsClusterConfig: {edsConfig: "
                        "{ads: {}}}\n")),
      Catch::EndsWith("cluster other: EDS needs dynamic_resources; use STATIC or STRICT_DNS"));
  CHECK_THAT(refused("dynamicResources: {}\n"),
             Catch::EndsWith("dynamic_resources.ads_config: is missing"));
  CHECK_THAT(refused("staticResourcez: {}\n"), Catch::Contains("envoy.yaml:1:"));
}

// A control plane's cluster, and dynamic resources from it.
std::string dynamic(const std::string& ads, const std::string& sources = "") {
  return R"(  - name: xds
    typedExtensionProtocolOptions:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicitHttpConfig: {http2ProtocolOptions: {}}
    loadAssignment:
      clusterName: xds
      endpoints: [{lbEndpoints: [{endpoint: {address: {pipe: {path: /run/xds.sock}}}}]}]
dynamicResources:
  adsConfig: {)" +
         ads + "}\n" + sources;
}

TEST_CASE("dynamic resources: whom to ask, and for what") {
  const auto result = read(bootstrap(
      dynamic("apiType: DELTA_GRPC, transportApiVersion: V3, setNodeOnFirstMessageOnly: true, "
              "grpcServices: [{envoyGrpc: {clusterName: xds, authority: a.test}, "
              "initialMetadata: [{key: X-Token, value: t}]}]",
              "  cdsConfig: {ads: {}, initialFetchTimeout: 3s}\n"),
      "comes-later"));
  INFO((result ? "" : result.error().text));
  REQUIRE(result);
  REQUIRE(result->dynamic);
  const DynamicSource& source = *result->dynamic;
  CHECK(source.incremental);
  CHECK(source.cluster == "xds");
  CHECK(source.authority == "a.test");
  CHECK(source.metadata == std::vector<std::pair<std::string, std::string>>{{"x-token", "t"}});
  CHECK(source.node_on_first_message_only);
  CHECK(source.clusters);
  CHECK(source.clusters_timeout == std::chrono::seconds(3));
  CHECK_FALSE(source.listeners);
  CHECK_FALSE(result->node.empty());
}

TEST_CASE("dynamic resources that cannot be had are refused by the field") {
  struct Row {
    std::string ads, sources, want;
  };
  const std::string good =
      "apiType: GRPC, transportApiVersion: V3, grpcServices: "
      "[{envoyGrpc: {clusterName: xds}}]";
  const std::string cds = "  cdsConfig: {ads: {}}\n";
  const Row rows[] = {
      {"apiType: REST, transportApiVersion: V3", cds,
       "ads_config.api_type: only GRPC and DELTA_GRPC are supported"},
      {"apiType: GRPC", cds, "ads_config.transport_api_version: only V3 is supported"},
      {"apiType: GRPC, transportApiVersion: V3", cds,
       "ads_config.grpc_services: is one entry exactly"},
      {"apiType: GRPC, transportApiVersion: V3, grpcServices: [{}]", cds,
       "ads_config.grpc_services[0].envoy_grpc: is missing"},
      {"apiType: GRPC, transportApiVersion: V3, grpcServices: [{envoyGrpc: {clusterName: no}}]",
       cds, "envoy_grpc.cluster_name: no cluster \"no\" in static_resources"},
      {"apiType: GRPC, transportApiVersion: V3, grpcServices: [{envoyGrpc: {clusterName: app}}]",
       cds, "envoy_grpc.cluster_name: cluster \"app\" does not speak HTTP/2"},
      {good, "  ldsConfig: {path: /a}\n", "lds_config"},
      {good, "  ldsConfig: {ads: {}, resourceApiVersion: V2}\n",
       "lds_config.resource_api_version: only V3 is supported"},
      {good + ", rateLimitSettings: {}", cds, "rate_limit_settings: is not supported"},
  };
  for (const Row& row : rows) {
    const auto result = read(bootstrap(dynamic(row.ads, row.sources)));
    CAPTURE(row.want);
    REQUIRE_FALSE(result);
    CHECK_THAT(result.error().text, Catch::Contains(row.want));
  }
  // Without cds_config what is named must be there.
  CHECK_THAT(read(bootstrap(dynamic(good), "nowhere")).error().text,
             Catch::Contains("no cluster \"nowhere\""));
}

// A cluster whose trust bundle has this source.
std::string trusting(const std::string& source) {
  return R"(  - name: back
    loadAssignment: {clusterName: back}
    transportSocket:
      name: tls
      typedConfig:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        commonTlsContext: {validationContextSdsSecretConfig: {name: bundle, sdsConfig: )" +
         source + "}}\n";
}

TEST_CASE("a secret of a server needs the server, and nothing else that is dynamic") {
  const auto asks = [](const std::string& cluster) {
    return "{initialFetchTimeout: 3s, apiConfigSource: {apiType: DELTA_GRPC, transportApiVersion: "
           "V3, "
           "grpcServices: [{envoyGrpc: {clusterName: " +
           cluster + "}}]}}";
  };
  std::string agent = dynamic("");
  agent.erase(agent.find("dynamicResources"));
  const auto result = read(bootstrap(agent + trusting(asks("xds"))));
  INFO((result ? "" : result.error().text));
  REQUIRE(result);
  CHECK_FALSE(result->dynamic);
  CHECK(asks_for_secrets(result->config));
  const TlsContext& context = *result->config.clusters.at("back")->tls;
  CHECK(context.validation_secret == "sds:xds/bundle");
  REQUIRE(context.sources.size() == 1);
  CHECK(context.sources[0].name == "bundle");
  CHECK(context.sources[0].timeout == std::chrono::seconds(3));
  REQUIRE(context.sources[0].server);
  CHECK(context.sources[0].server->incremental);
  CHECK_FALSE(check_mesh_secrets(*result->config.clusters.at("back")));
  const auto refused = [](const std::string& yaml) {
    const auto wrong = read(yaml);
    return wrong ? "no error" : wrong.error().text;
  };
  CHECK_THAT(refused(bootstrap(agent + trusting("{ads: {}}"))),
             Catch::Contains("secret \"bundle\" is not among static_resources.secrets"));
  CHECK_THAT(refused(bootstrap(agent + trusting(asks("app")))),
             Catch::Contains("cluster \"app\" does not speak HTTP/2"));
  CHECK_THAT(refused(bootstrap(agent + trusting(asks("nowhere")))),
             Catch::Contains("no cluster \"nowhere\" in static_resources"));
  CHECK_THAT(refused(bootstrap(agent + trusting("{path: /a}"))), Catch::Contains("path"));
  CHECK_THAT(
      refused(bootstrap("  - name: other\n    type: EDS\n    edsClusterConfig: {edsConfig: " +
                        asks("xds") + "}\n" + agent)),
      Catch::Contains("only ads is supported"));
}

}  // namespace
