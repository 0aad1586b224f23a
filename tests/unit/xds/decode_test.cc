#include "xds/decode.h"

#include <catch2/catch.hpp>

#include "config/reader.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "route/fault_rules.h"

namespace {

using namespace mesh;
using namespace mesh::xds;
using namespace std::chrono_literals;
namespace envoy_listener = envoy::config::listener::v3;
using envoy_cluster = envoy::config::cluster::v3::Cluster;
using envoy_endpoints = envoy::config::endpoint::v3::ClusterLoadAssignment;
using envoy_routes = envoy::config::route::v3::RouteConfiguration;

// A resource written in YAML, as its bytes on the wire.
template <class Message>
std::string wire(const std::string& yaml) {
  Message message;
  const auto read = config::read_text(yaml, "test", message);
  if (!read) FAIL(read.error().text);
  return message.SerializeAsString();
}

template <class T>
std::string error_of(const Result<T>& result) {
  return result ? "no error" : result.error().text;
}

const std::string kListener = R"(
name: inbound|127.0.0.1|20011
address: {socketAddress: {address: 127.0.0.1, portValue: 20011}}
trafficDirection: INBOUND
listenerFiltersTimeout: 2s
listenerFilters:
- name: envoy.filters.listener.tls_inspector
  typedConfig: {"@type": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}
filterChains:
- name: mtls
  filterChainMatch: {transportProtocol: tls}
  transportSocket:
    name: envoy.transport_sockets.tls
    typedConfig:
      "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
      requireClientCertificate: true
      commonTlsContext:
        tlsParams: {tlsMinimumProtocolVersion: TLSv1_3, tlsMaximumProtocolVersion: TLSv1_3}
        alpnProtocols: [h2, http/1.1]
        tlsCertificateSdsSecretConfigs: [{name: default, sdsConfig: {ads: {}, resourceApiVersion: V3}}]
        combinedValidationContext:
          defaultValidationContext:
            matchTypedSubjectAltNames:
            - {sanType: URI, matcher: {prefix: "spiffe://cluster.local/"}}
          validationContextSdsSecretConfig: {name: ROOTCA, sdsConfig: {ads: {}, resourceApiVersion: V3}}
  filters:
  - name: http
    typedConfig:
      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
      statPrefix: inbound
      rds: {routeConfigName: inbound, configSource: {ads: {}, resourceApiVersion: V3}}
      streamIdleTimeout: 0s
      httpFilters:
      - name: envoy.filters.http.router
        typedConfig: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
)";

TEST_CASE("a listener with mutual TLS") {
  const auto listener = decode_listener(wire<envoy_listener::Listener>(kListener));
  INFO(error_of(listener));
  REQUIRE(listener);
  const Listener& value = **listener;
  CHECK(to_string(value.address) == "127.0.0.1:20011");
  CHECK(value.direction == TrafficDirection::Inbound);
  CHECK(value.listener_filters_timeout == 2s);
  REQUIRE(value.filter_chains.size() == 1);
  const FilterChain& chain = value.filter_chains[0];
  CHECK(chain.match.transport_protocol == "tls");
  CHECK(chain.route_config_name == "inbound");
  CHECK(chain.stream_idle_timeout == 0s);
  CHECK(chain.http_filters.empty());
  REQUIRE(chain.tls);
  CHECK(chain.tls->certificate_secrets.at(0) == "default");
  CHECK(chain.tls->validation_secret == "ROOTCA");
  CHECK(chain.tls->require_client_certificate);
  CHECK(chain.tls->tls_minimum == TlsVersion::Tls13);
  CHECK(chain.tls->alpn == std::vector<std::string>{"h2", "http/1.1"});
  CHECK(chain.tls->subject_alt_uri_prefixes == std::vector<std::string>{"spiffe://cluster.local/"});
}

TEST_CASE("what a listener sets and is not supported is named by its path") {
  envoy_listener::Listener listener;
  REQUIRE(listener.ParseFromString(wire<envoy_listener::Listener>(kListener)));

  SECTION("a field") {
    listener.set_reuse_port(true);
    CHECK(error_of(decode_listener(listener.SerializeAsString())) ==
          "reuse_port: is not supported");
  }
  SECTION("a field inside of an Any") {
    using Manager =
        envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
    Manager manager;
    auto* any = listener.mutable_filter_chains(0)->mutable_filters(0)->mutable_typed_config();
    REQUIRE(any->UnpackTo(&manager));
    manager.set_via("x");
    any->PackFrom(manager);
    CHECK(error_of(decode_listener(listener.SerializeAsString())) ==
          "filter_chains[0].filters[0].typed_config.via: is not supported");
  }
  SECTION("a number that nobody knows, deep inside") {
    auto* match = listener.mutable_filter_chains(0)->mutable_filter_chain_match();
    match->GetReflection()->MutableUnknownFields(match)->AddVarint(4711, 1);
    CHECK(error_of(decode_listener(listener.SerializeAsString())) ==
          "filter_chains[0].filter_chain_match: envoy.config.listener.v3.FilterChainMatch has an "
          "unknown field, number 4711");
  }
  SECTION("an extension that is not linked") {
    listener.mutable_listener_filters(0)->mutable_typed_config()->set_type_url(
        "type.googleapis.com/envoy.extensions.Nothing");
    CHECK(error_of(decode_listener(listener.SerializeAsString())) ==
          "listener_filters[0].typed_config: \"envoy.extensions.Nothing\" is not supported");
  }
  SECTION("an enum number that is not of the enum") {
    listener.set_traffic_direction(envoy::config::core::v3::TrafficDirection(9));
    CHECK(error_of(decode_listener(listener.SerializeAsString())) ==
          "traffic_direction: no value 9 in envoy.config.core.v3.TrafficDirection");
  }
  SECTION("a certificate in place, which only a bootstrap may have") {
    const std::string yaml = R"(
name: l
address: {pipe: {path: /run/app.sock}}
filterChains:
- filters: []
)";
    CHECK(error_of(decode_listener(wire<envoy_listener::Listener>(yaml))) ==
          "filter_chains[0].filters: is empty");
  }
}

TEST_CASE("a duration below zero is refused") {
  envoy_cluster cluster;
  cluster.set_name("c");
  cluster.mutable_load_assignment()->set_cluster_name("c");
  cluster.mutable_connect_timeout()->set_seconds(-1);
  CHECK(error_of(decode_cluster(cluster.SerializeAsString())) ==
        "connect_timeout: a duration is not negative and has less than 10^9 nanos");
}

TEST_CASE("garbage is refused") {
  CHECK(decode_listener("\xff\xff\xff").error().kind == Errc::Invalid);
  CHECK(decode_cluster("\x0a").error().kind == Errc::Invalid);
  CHECK(decode_cluster("").error().text == "name: is empty");
  CHECK(decode_endpoints(std::string(kResourceBytesMax + 1, 'x')).error().kind == Errc::TooBig);
}

TEST_CASE("a cluster's defaults are Envoy's") {
  const auto cluster = decode_cluster(wire<envoy_cluster>(
      "{name: c, type: EDS, edsClusterConfig: {edsConfig: {ads: {}, resourceApiVersion: V3}}}"));
  INFO(error_of(cluster));
  REQUIRE(cluster);
  CHECK((*cluster)->balancing.options.algorithm == balance::Algorithm::RoundRobin);
  CHECK((*cluster)->connect_timeout == 5s);
  CHECK((*cluster)->limits.max_connections == 1024);
  CHECK((*cluster)->limits.max_retries == 3);
  CHECK((*cluster)->balancing.options.healthy_panic_percent == 50);
  CHECK((*cluster)->protocol == UpstreamProtocol::Http1);
  CHECK_FALSE((*cluster)->outlier);
  CHECK_FALSE((*cluster)->tls);
}

TEST_CASE("a cluster of the mesh") {
  const auto cluster = decode_cluster(wire<envoy_cluster>(R"(
name: outbound|80||reviews
type: EDS
edsClusterConfig: {edsConfig: {ads: {}, resourceApiVersion: V3}, serviceName: reviews-eds}
connectTimeout: 10s
metadata: {filterMetadata: {istio: {services: [{host: reviews.org, name: reviews, namespace: demo}]}}}
lbPolicy: LEAST_REQUEST
commonLbConfig: {healthyPanicThreshold: {value: 0}}
circuitBreakers: {thresholds: [{maxConnections: 7, retryBudget: {budgetPercent: {value: 25}}}]}
outlierDetection:
  consecutive5xx: 3
  interval: 1s
  baseEjectionTime: 600s
  consecutiveGatewayFailure: 2
  enforcingConsecutiveGatewayFailure: 100
  enforcingSuccessRate: 0
typedExtensionProtocolOptions:
  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
    commonHttpProtocolOptions: {idleTimeout: 60s}
    autoConfig: {http2ProtocolOptions: {}}
transportSocketMatches:
- name: tlsMode-istio
  match: {tlsMode: istio}
  transportSocket:
    name: envoy.transport_sockets.tls
    typedConfig:
      "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
      sni: outbound_.80_._.reviews
      commonTlsContext:
        tlsCertificateSdsSecretConfigs: [{name: default}]
        validationContextSdsSecretConfig: {name: ROOTCA}
- name: tlsMode-disabled
  transportSocket:
    name: envoy.transport_sockets.raw_buffer
    typedConfig: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}
)"));
  INFO(error_of(cluster));
  REQUIRE(cluster);
  const Cluster& value = **cluster;
  CHECK(value.eds_service_name == "reviews-eds");
  CHECK(value.balancing.options.algorithm == balance::Algorithm::LeastRequest);
  CHECK(value.limits.max_connections == 7);
  CHECK(value.limits.retry_budget_percent == 25);
  CHECK(value.balancing.options.healthy_panic_percent == 0);
  REQUIRE(value.outlier);
  CHECK(value.outlier->consecutive_5xx == 3);
  CHECK(value.outlier->consecutive_gateway_failure == 2);
  CHECK(value.outlier->max_ejection_time == 600s);
  CHECK(value.protocol == UpstreamProtocol::Auto);
  CHECK(value.idle_timeout == 60s);
  CHECK(value.tls_by_endpoint);
  REQUIRE(value.tls);
  CHECK(value.tls->sni == "outbound_.80_._.reviews");
  CHECK(value.service == ServiceName{"reviews.org", "reviews", "demo"});
}

TEST_CASE("a cluster's health checks, thresholds and ejection, to the last field") {
  const auto cluster = decode_cluster(wire<envoy_cluster>(R"(
name: c
loadAssignment:
  clusterName: c
  endpoints:
  - lbEndpoints:
    - endpoint:
        address: {socketAddress: {address: 127.0.0.1, portValue: 1}}
        healthCheckConfig: {portValue: 9, hostname: h}
circuitBreakers:
  thresholds: [{maxConnections: 7, trackRemaining: true}, {priority: HIGH, maxRequests: 2}]
  perHostThresholds: [{maxConnections: 3}]
upstreamConnectionOptions: {tcpKeepalive: {keepaliveProbes: 2, keepaliveTime: 60}}
outlierDetection:
  splitExternalLocalOriginErrors: true
  consecutiveLocalOriginFailure: 4
  enforcingLocalOriginSuccessRate: 0
  successRateMinimumHosts: 2
  successRateRequestVolume: 10
  successRateStdevFactor: 1000
  failurePercentageThreshold: 60
  enforcingFailurePercentage: 50
  maxEjectionTimeJitter: 2s
  alwaysEjectOneHost: true
  successfulActiveHealthCheckUnejectHost: false
healthChecks:
- timeout: 1s
  interval: 10s
  unhealthyThreshold: 3
  healthyThreshold: 2
  unhealthyInterval: 5s
  noTrafficInterval: 20s
  tcpHealthCheck: {send: {text: "00ff"}, receive: [{binary: "AQ=="}]}
)"));
  INFO(error_of(cluster));
  REQUIRE(cluster);
  const Cluster& value = **cluster;
  CHECK(value.limits.max_connections == 7);
  CHECK(value.limits.track_remaining);
  CHECK(value.high_limits.max_connections == 1024);
  CHECK(value.high_limits.max_requests == 2);
  CHECK(value.host_max_connections == 3);
  CHECK(value.load_assignment->endpoints[0].health_check_port == 9);
  CHECK(value.load_assignment->endpoints[0].health_check_hostname == "h");
  REQUIRE(value.tcp_keepalive);
  CHECK(*value.tcp_keepalive == TcpKeepalive{2, 60, std::nullopt});
  REQUIRE(value.outlier);
  CHECK(value.outlier->split_external_local_origin_errors);
  CHECK(value.outlier->consecutive_local_origin_failure == 4);
  CHECK(value.outlier->success_rate_stdev_factor == 1000);
  CHECK(value.outlier->failure_percentage_threshold == 60);
  CHECK(value.outlier->enforcing_failure_percentage == 50);
  CHECK(value.outlier->max_ejection_time_jitter == 2s);
  CHECK(value.outlier->always_eject_one_host);
  CHECK_FALSE(value.outlier->successful_active_health_check_uneject_host);
  REQUIRE(value.health_checks.size() == 1);
  const HealthCheck& check = value.health_checks[0];
  CHECK(check.send == std::string("\0\xff", 2));
  CHECK(check.receive == std::vector<std::string>{"\1"});
  CHECK(check.policy.unhealthy_interval == 5s);
  CHECK(check.policy.unhealthy_edge_interval == 5s);
  CHECK(check.policy.healthy_edge_interval == 10s);
  CHECK(check.policy.no_traffic_healthy_interval == 20s);
}

TEST_CASE("what a cluster may not be") {
  const auto refused = [](const std::string& yaml) {
    return error_of(decode_cluster(wire<envoy_cluster>(yaml)));
  };
  CHECK(refused("{name: c, type: STRICT_DNS}") == "load_assignment.cluster_name: is empty");
  CHECK(refused("{name: c, type: EDS}") == "eds_cluster_config.eds_config: is missing");
  CHECK(refused("{name: c, loadAssignment: {clusterName: c}, lbPolicy: CLUSTER_PROVIDED}") ==
        "lb_policy: CLUSTER_PROVIDED is for type ORIGINAL_DST");
  CHECK(refused("{name: c, loadAssignment: {clusterName: c}, outlierDetection: "
                "{enforcingSuccessRate: 101}}") ==
        "outlier_detection.enforcing_success_rate: is 0 to 100");
  CHECK(refused("{name: c, loadAssignment: {clusterName: c}, healthChecks: [{}]}") ==
        "health_checks[0]: timeout and interval are required");
  CHECK(
      refused(
          "{name: c, loadAssignment: {clusterName: c}, circuitBreakers: {thresholds: [{}, {}]}}") ==
      "circuit_breakers.thresholds[1].priority: is there twice");
  CHECK(refused("{name: c, loadAssignment: {clusterName: c, endpoints: [{lbEndpoints: [{endpoint: "
                "{address: {socketAddress: {address: example.org, portValue: 1}}}}]}]}}") ==
        "load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.address: "
        "expected an IP address, got \"example.org\"");
}

TEST_CASE("endpoints with health, weight, locality and TLS") {
  const auto endpoints = decode_endpoints(wire<envoy_endpoints>(R"(
clusterName: outbound|80||reviews
endpoints:
- locality: {region: eu, zone: a}
  lbEndpoints:
  - endpoint: {address: {socketAddress: {address: "::1", portValue: 20011}}}
    healthStatus: UNHEALTHY
    loadBalancingWeight: 3
    metadata:
      filterMetadata:
        envoy.transport_socket_match: {tlsMode: istio}
        istio: {workload: "reviews-v1;demo;reviews;v1;"}
  - endpoint: {address: {pipe: {path: /run/reviews.sock}}}
    metadata: {filterMetadata: {istio: {workload: "reviews-v2;demo"}}}
)"));
  INFO(error_of(endpoints));
  REQUIRE(endpoints);
  REQUIRE((*endpoints)->endpoints.size() == 2);
  const Endpoint& first = (*endpoints)->endpoints[0];
  CHECK(to_string(first.address) == "[::1]:20011");
  CHECK(first.health == HealthStatus::Unhealthy);
  CHECK(first.weight == 3);
  CHECK(first.tls);
  CHECK((*endpoints)->groups[first.group].locality == "eu/a");
  CHECK(first.workload == WorkloadName{"reviews-v1", "demo", "reviews", "v1", ""});
  const Endpoint& second = (*endpoints)->endpoints[1];
  CHECK(to_string(second.address) == "/run/reviews.sock");
  CHECK_FALSE(second.tls);
  CHECK(second.workload == WorkloadName{});
}

TEST_CASE("routes with matches, weights, retries, faults and edits") {
  const auto table = decode_route_configuration(wire<envoy_routes>(R"(
name: outbound
virtualHosts:
- name: reviews:80
  domains: [reviews, "reviews:80"]
  routes:
  - name: jason
    match:
      prefix: /
      headers: [{name: End-User, stringMatch: {exact: jason}}]
      queryParameters: [{name: q, stringMatch: {prefix: a}}]
    route: {cluster: v2, timeout: 0s, prefixRewrite: /api, hostRewriteLiteral: other}
    metadata: {filterMetadata: {mesh: {config: "VirtualService/demo/reviews http[0]"}}}
    requestHeadersToAdd:
    - {header: {key: X-A, value: "100%%"}, appendAction: OVERWRITE_IF_EXISTS_OR_ADD}
    responseHeadersToRemove: [Server]
    typedPerFilterConfig:
      envoy.filters.http.fault:
        "@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault
        delay: {fixedDelay: 1s, percentage: {numerator: 5000, denominator: TEN_THOUSAND}}
        abort: {httpStatus: 503, percentage: {numerator: 1, denominator: HUNDRED}}
  - match: {path: /all, caseSensitive: false}
    route:
      weightedClusters: {clusters: [{name: v1, weight: 90}, {name: v3, weight: 10}]}
      retryPolicy:
        retryOn: "5xx, connect-failure"
        numRetries: 3
        perTryTimeout: 0.5s
        retryBackOff: {baseInterval: 0.010s}
        retryHostPredicate:
        - name: p
          typedConfig: {"@type": type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate}
  - match: {prefix: /}
    directResponse: {status: 404, body: {inlineString: "no"}}
)"));
  INFO(error_of(table));
  REQUIRE(table);
  const auto& routes = (*table)->hosts().at(0).routes;
  REQUIRE(routes.size() == 3);
  CHECK(routes[0].match.fields.at(0).name == "end-user");
  CHECK(routes[0].timeout == 0s);
  CHECK(routes[0].rewrite_path);
  CHECK(routes[0].host_rewrite->text == "other");
  CHECK(routes[0].provenance == "VirtualService/demo/reviews http[0]");
  CHECK(routes[0].edits.at(0)->request.at(0).value == "100%");
  CHECK(routes[0].edits.at(0)->response.at(0).name == "server");
  const auto* rules = route::value_in<route::FaultRules>(routes[0].filters.get());
  REQUIRE(rules != nullptr);
  const auto* fault = &rules->policy;
  CHECK(fault->delay_share.per_million == 500'000);
  CHECK(fault->abort_share.per_million == 10'000);
  CHECK(fault->abort_http_status == 503);
  CHECK(routes[1].timeout == 15s);
  CHECK(routes[1].match.ignore_case);
  REQUIRE(routes[1].retry);
  CHECK(routes[1].retry->retry_on ==
        (resilience::kRetryOn5xx | resilience::kRetryOnConnectFailure));
  CHECK(routes[1].retry->num_retries == 3);
  CHECK(routes[1].retry->per_try_timeout == 500ms);
  CHECK(routes[1].retry->base_interval == 10ms);
  CHECK(routes[1].retry->max_interval == 100ms);
  CHECK(routes[1].retry->avoid_tried_hosts);
  CHECK(routes[2].direct_status == 404);
}

TEST_CASE("what a route may not be") {
  const auto refused = [](const std::string& route) {
    return error_of(decode_route_configuration(wire<envoy_routes>(
        "{name: r, virtualHosts: [{name: h, domains: ['*'], routes: [" + route + "]}]}")));
  };
  const std::string at = "virtual_hosts[0].routes[0].";
  CHECK(refused("{match: {prefix: /}, filterAction: {}}") ==
        at + "filter_action: is not supported");
  CHECK(refused("{match: {prefix: /}, route: {cluster: x, includeVhRateLimits: true}}") ==
        at + "route.include_vh_rate_limits: is not supported");
  CHECK(refused("{match: {prefix: /}, route: {cluster: c, retryPolicy: {retryOn: '5xx,never'}}}") ==
        at + "route.retry_policy.retry_on: retry condition \"never\" is not supported");
  CHECK(refused("{match: {prefix: /}, route: {cluster: c}, requestHeadersToAdd: [{header: {key: a, "
                "value: '%NEVER%'}}]}") ==
        at + "request_headers_to_add[0].header.value: operator \"%NEVER%\" is not supported");
  CHECK(refused("{match: {}, route: {cluster: c}}") ==
        at + "match: expected prefix, path, safe_regex, path_separated_prefix or "
             "connect_matcher");
}

}  // namespace
