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
  CHECK(config.secrets.at(chain.tls->certificate_secret)->certificate_chain.file == "cert.pem");
  CHECK(config.secrets.at(chain.tls->certificate_secret)->private_key.file == "key.pem");
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
  CHECK_THAT(refused(bootstrap("  - name: other\n    type: EDS\n    edsClusterConfig: {edsConfig: "
                               "{ads: {}}}\n")),
             Catch::EndsWith("cluster other: EDS needs a control plane; use STATIC or STRICT_DNS"));
  CHECK_THAT(refused("dynamicResources: {}\n"), Catch::Contains("dynamic_resources"));
  CHECK_THAT(refused("staticResourcez: {}\n"), Catch::Contains("envoy.yaml:1:"));
}

}  // namespace
