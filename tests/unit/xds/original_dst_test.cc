// ORIGINAL_DST clusters, listeners that capture, limits of connections: what is taken and what
// is refused.
#include <catch2/catch.hpp>

#include "config/reader.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "xds/decode.h"

namespace {

using namespace mesh;
using namespace mesh::xds;
using PbCluster = envoy::config::cluster::v3::Cluster;
using PbListener = envoy::config::listener::v3::Listener;
using namespace std::chrono_literals;

// A resource written in YAML, as its bytes on the wire.
template <class Message>
std::string wire(const std::string& yaml) {
  Message message;
  const auto read = config::read_text(yaml, "test", message);
  if (!read) FAIL(read.error().text);
  return message.SerializeAsString();
}

TEST_CASE("a cluster of the original destination") {
  const auto cluster = decode_cluster(wire<PbCluster>(R"(
name: p
type: ORIGINAL_DST
lbPolicy: CLUSTER_PROVIDED
cleanupInterval: 7s
originalDstLbConfig: {useHttpHeader: true, upstreamPortOverride: 8080}
upstreamBindConfig: {sourceAddress: {address: 127.0.0.6, portValue: 0}, freebind: true}
)"));
  REQUIRE(cluster);
  const Cluster& c = **cluster;
  CHECK(c.discovery == Cluster::Discovery::OriginalDst);
  CHECK(c.original_dst.header == "x-envoy-original-dst-host");
  CHECK(c.original_dst.port == 8080);
  CHECK(c.original_dst.cleanup_interval == 7s);
  CHECK(c.source_address.host == "127.0.0.6");
  CHECK(c.source_freebind);
}

TEST_CASE("what contradicts the original destination is refused by name") {
  const std::string head = "{name: p, type: ORIGINAL_DST, ";
  const struct {
    std::string rest, want;
  } rows[] = {
      {"connectTimeout: 1s}", "lb_policy: of type ORIGINAL_DST is CLUSTER_PROVIDED"},
      {"lbPolicy: CLUSTER_PROVIDED, loadAssignment: {clusterName: p}}",
       "load_assignment: is not for a cluster of type ORIGINAL_DST"},
      {"lbPolicy: CLUSTER_PROVIDED, cleanupInterval: 0s}", "cleanup_interval: is at least 1ms"},
      {"lbPolicy: CLUSTER_PROVIDED, originalDstLbConfig: {useHttpHeader: true, httpHeaderName: "
       "\"a b\"}}",
       "original_dst_lb_config.http_header_name: is no name of a header"},
      {"lbPolicy: CLUSTER_PROVIDED, originalDstLbConfig: {upstreamPortOverride: 70000}}",
       "original_dst_lb_config.upstream_port_override: is 1 to 65535"},
      {"lbPolicy: CLUSTER_PROVIDED, outlierDetection: {}}",
       "outlier_detection: is not supported for a cluster of type ORIGINAL_DST"},
      {"lbPolicy: CLUSTER_PROVIDED, upstreamBindConfig: {}}",
       "upstream_bind_config.source_address: is missing"},
  };
  for (const auto& row : rows) {
    DYNAMIC_SECTION(row.want) {
      const auto refused = decode_cluster(wire<PbCluster>(head + row.rest));
      REQUIRE_FALSE(refused);
      CHECK(refused.error().text == row.want);
    }
  }
}

const std::string kRelay = R"(
  - name: tcp
    typedConfig:
      "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
      statPrefix: t
      cluster: c
)";

std::string limit(const std::string& fields) {
  return R"(
  - name: limit
    typedConfig:
      "@type": type.googleapis.com/envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit
      statPrefix: l
)" + fields;
}

std::string rate(const std::string& fields) {
  return R"(
  - name: rate
    typedConfig:
      "@type": type.googleapis.com/envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit
      statPrefix: r
)" + fields;
}

std::string listener(const std::string& filters, const std::string& more = "") {
  return "name: l\naddress: {socketAddress: {address: 0.0.0.0, portValue: 15001}}\n" + more +
         "filterChains:\n- filters:" + filters;
}

TEST_CASE("a listener that captures") {
  const auto decoded = decode_listener(wire<PbListener>(
      listener(kRelay, "transparent: true\nuseOriginalDst: true\nbindToPort: true\n")));
  REQUIRE(decoded);
  CHECK((*decoded)->transparent);
  CHECK((*decoded)->use_original_dst);
  CHECK((*decoded)->original_dst);
  const auto unbound = decode_listener(wire<PbListener>(listener(kRelay, "bindToPort: false\n")));
  REQUIRE(unbound);
  CHECK_FALSE((*unbound)->bind_to_port);
  const auto mixed = decode_listener(wire<PbListener>(listener(kRelay, R"(useOriginalDst: true
listenerFilters:
- name: proxy
  typedConfig: {"@type": type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol}
)")));
  REQUIRE_FALSE(mixed);
  CHECK(mixed.error().text ==
        "listener_filters: the PROXY protocol and the original destination contradict each other");
}

TEST_CASE("limits before the last network filter") {
  const auto both = decode_listener(wire<PbListener>(
      listener(rate("      tokenBucket: {maxTokens: 5, tokensPerFill: 2, fillInterval: 1s}\n"
                    "      shareKey: k\n") +
               limit("      maxConnections: 3\n      delay: 0.5s\n") + kRelay)));
  REQUIRE(both);
  const FilterChain& chain = (*both)->filter_chains.at(0);
  REQUIRE(chain.connection_limit);
  REQUIRE(chain.connection_rate);
  CHECK(chain.rate_before_limit);
  CHECK(chain.connection_limit->most == 3);
  CHECK(chain.connection_limit->delay == 500ms);
  CHECK(chain.connection_rate->tokens_max == 5);
  CHECK(chain.connection_rate->tokens_per_fill == 2);
  CHECK(chain.connection_rate->share_key == "k");

  const auto off = decode_listener(wire<PbListener>(listener(
      limit("      maxConnections: 3\n      runtimeEnabled: {defaultValue: false}\n") + kRelay)));
  REQUIRE(off);
  CHECK_FALSE((*off)->filter_chains.at(0).connection_limit);

  const struct {
    std::string filters, want;
  } rows[] = {
      {limit("") + kRelay,
       "filter_chains[0].filters[0].typed_config.max_connections: is at least 1"},
      {rate("      tokenBucket: {maxTokens: 5, fillInterval: 0.01s}\n") + kRelay,
       "filter_chains[0].filters[0].typed_config.token_bucket.fill_interval: is at least 50ms"},
      {limit("      maxConnections: 1\n") + limit("      maxConnections: 1\n") + kRelay,
       "filter_chains[0].filters[1].typed_config: stands twice"},
  };
  for (const auto& row : rows) {
    DYNAMIC_SECTION(row.want) {
      const auto refused = decode_listener(wire<PbListener>(listener(row.filters)));
      REQUIRE_FALSE(refused);
      CHECK(refused.error().text == row.want);
    }
  }
}

}  // namespace
