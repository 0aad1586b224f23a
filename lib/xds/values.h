// The data plane's configuration as plain values: what decode.h makes of xDS
// v3 resources and what the forwarder is built from.
//
// No protobuf here. A Config is immutable once built and shared by all workers
// as const. Names are Envoy's. Durations of zero mean "none" unless said.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "authz/ext_authz.h"
#include "authz/rules.h"
#include "balance/config.h"
#include "base/clock.h"
#include "http/limits.h"
#include "http/path.h"
#include "resilience/outlier_policy.h"
#include "route/table.h"
#include "telemetry/metric_choices.h"
#include "xds/dynamic_source.h"
#include "xds/health_check.h"
#include "xds/span_policy.h"

namespace mesh::xds {

// host:port (IPv4, [IPv6]) or a Unix path.
struct SocketAddress {
  std::string
      host;  // an IP address literal, a name in a cluster that resolves it; empty for a path
  uint16_t port = 0;
  std::string path;  // a Unix socket, "@name" for the abstract name space
  auto operator<=>(const SocketAddress&) const = default;
};
// "127.0.0.1:80", "[::1]:80", or the path.
std::string to_string(const SocketAddress& address);

// PEM texts, or the files that hold them: one of both each, or neither.
struct PemSource {
  std::string text;
  std::string file;
  bool empty() const { return text.empty() && file.empty(); }
  bool operator==(const PemSource&) const = default;
};

// What an SDS name stands for when it does not come from certd: of a static bootstrap, or of a
// server of the discovery protocol.
struct Secret {
  std::string name;
  PemSource certificate_chain;  // leaf first
  PemSource private_key;
  PemSource trusted_ca;
  PemSource crl;  // beside trusted_ca; empty: nothing is revoked
  bool crl_leaf_only = false;
  bool operator==(const Secret&) const = default;
};

enum class TlsVersion : uint8_t { Tls12, Tls13 };

// A secret that a server of the discovery protocol has (SdsSecretConfig.sds_config).
struct SecretSource {
  std::string secret;                           // as TlsContext names it
  std::string name;                             // as the server does
  std::shared_ptr<const DynamicSource> server;  // null: the aggregated stream's
  Duration timeout = std::chrono::seconds(15);  // initial_fetch_timeout; 0: without end
  bool operator==(const SecretSource& other) const {
    return secret == other.secret && name == other.name && timeout == other.timeout &&
           (server == other.server || (server && other.server && *server == *other.server));
  }
};

// Certificates are named, not held: SDS secrets come from elsewhere (certd's
// watch, a static bootstrap, or a server).
struct TlsContext {
  std::vector<std::string> certificate_secrets;  // SDS names; several of a server alone
  std::string validation_secret;                 // SDS name; "" do not verify
  std::vector<SecretSource> sources;             // of all these, where a server has them
  std::vector<std::string> alpn;                 // in order of preference
  std::vector<std::string> subject_alt_uris;  // exact URI SANs accepted; empty: any of the bundle
  std::vector<std::string> subject_alt_uri_prefixes;
  std::vector<std::string> subject_alt_dns;
  PemSource crl;               // where the validation secret has none; empty: nothing is revoked
  bool crl_leaf_only = false;  // only_verify_leaf_cert_crl, of either
  // Of peers, SHA-256 in lower-case hexadecimal: any of both lists; both empty: any peer.
  std::vector<std::string> certificate_hashes;
  std::vector<std::string> key_hashes;
  std::string sni;                          // upstream only
  bool require_client_certificate = false;  // downstream only
  bool full_scan_certificates = false;      // downstream only: tls::Options::full_scan
  TlsVersion tls_minimum = TlsVersion::Tls12;
  TlsVersion tls_maximum = TlsVersion::Tls13;
  std::vector<std::string> cipher_suites;  // of TLS 1.2; empty: ours
  bool operator==(const TlsContext&) const = default;
};

// Which requests a log takes: Envoy's AccessLogFilter, a tree.
struct LogFilter {
  enum class Kind : uint8_t { All, Any, Status, DurationMs, Share, Header, Flags, GrpcStatus };
  enum class Op : uint8_t { Equal, AtLeast, AtMost, NotEqual };
  Kind kind = Kind::All;
  Op op = Op::Equal;
  uint32_t value = 0;               // Status, DurationMs
  resilience::Fraction share = {};  // Share
  route::FieldMatch header = {};    // Header
  std::vector<std::string> flags;   // Flags; empty: any
  std::vector<uint8_t> grpc;        // GrpcStatus
  bool exclude = false;             // GrpcStatus: all but these
  std::vector<LogFilter> parts;     // All, Any
};

struct AccessLog {
  // JSON text that stands as it is, then a value in the format language: the last
  // part's value is empty. An operator alone keeps its type.
  struct JsonPart {
    std::string before;
    std::string value;
    auto operator<=>(const JsonPart&) const = default;
  };
  std::string path;                         // a file, "/dev/stdout", "/dev/stderr"
  std::string format;                       // empty: Envoy's default
  std::vector<JsonPart> json;               // not empty: in place of format
  std::shared_ptr<const LogFilter> filter;  // null: everything
};

// An HTTP filter of a chain.
struct HttpFilter {
  std::string name;  // by which routes override it
  std::shared_ptr<const route::FilterConfig> config;
  bool disabled = false;  // unless a route enables it
};

// Whom the connection manager believes, and what it tells of the downstream.
struct Edge {
  bool use_remote_address = false;
  uint32_t xff_num_trusted_hops = 0;
  bool skip_xff_append = false;
  bool preserve_external_request_id = false;
  bool always_set_request_id_in_response = false;
  // forward_client_cert_details, set_current_client_cert_details.
  enum class ClientCert : uint8_t {
    Sanitize,
    ForwardOnly,
    AppendForward,
    SanitizeSet,
    AlwaysForwardOnly
  } client_cert = ClientCert::Sanitize;
  bool cert_subject = false;
  bool cert_dns = false;
  bool cert_uri = false;
  bool operator==(const Edge&) const = default;
};

// upgrade_configs of a connection manager: what its routes may be asked for.
struct UpgradeType {
  std::string type;  // lower-case: "websocket", "connect"
  bool enabled = true;
  bool operator==(const UpgradeType&) const = default;
};

// The addresses whose first `bits` bits are those of `address`, an IP literal.
struct CidrRange {
  std::string address;
  uint32_t bits = 0;
  bool operator==(const CidrRange&) const = default;
};

// What a connection must be for a chain to serve it; what is empty matches all.
// The most specific chain is taken, in the order of Envoy's FilterChainMatch.
struct FilterChainMatch {
  enum class Source : uint8_t { Any, SameIpOrLoopback, External };
  uint16_t destination_port = 0;  // 0: any
  std::vector<CidrRange> prefix_ranges;
  std::vector<std::string> server_names;  // lower case: "a.example", "*.example"
  std::string transport_protocol;         // "tls", "raw_buffer", "" any
  std::vector<std::string> application_protocols;
  std::vector<CidrRange> direct_source_prefix_ranges;
  Source source = Source::Any;
  std::vector<CidrRange> source_prefix_ranges;
  std::vector<uint16_t> source_ports;
  bool operator==(const FilterChainMatch&) const = default;
};

// envoy.filters.network.tcp_proxy
struct TcpProxy {
  struct Target {
    std::string cluster;
    uint32_t weight = 1;
  };
  std::vector<Target> targets;  // one at least; weights sum to 1 or more
  uint64_t weight_sum = 1;
  Duration idle_timeout = std::chrono::hours(1);
  Duration max_duration{0};  // of the downstream connection
  uint32_t max_connect_attempts = 1;
  bool hash_source_ip = false;
  // tunneling_config: the cluster's hosts are HTTP/1.1 proxies that are asked by CONNECT for
  // this HOST:PORT. Empty: they are what is relayed to.
  std::string tunnel_to;
};

// envoy.filters.network.connection_limit: connections at once, over all workers.
struct ConnectionLimit {
  std::string stat_prefix;
  uint64_t most = 1;
  Duration delay{0};  // before one over the limit is closed
  bool operator==(const ConnectionLimit&) const = default;
};

// envoy.filters.network.local_ratelimit: new connections in time, over all workers.
struct ConnectionRate {
  std::string stat_prefix;
  uint32_t tokens_max = 1;
  uint32_t tokens_per_fill = 1;
  Duration fill_interval{0};
  std::string share_key;  // not empty: one bucket for all that give it
  bool operator==(const ConnectionRate&) const = default;
};

// HttpConnectionManager.Tracing: which of the traces that begin here are sampled, in
// hundredths of a percent (Envoy, "Trace sampling").
struct TraceSampling {
  uint16_t client = 10'000;  // of those that a client asks for by x-client-trace-id
  uint16_t random = 10'000;  // of the others
  uint16_t overall = 10'000;
  // Else all are sampled (use_request_id_for_trace_sampling, Envoy).
  bool by_request_id = true;
  bool operator==(const TraceSampling&) const = default;
};

// A network filter of external authorization, behind so many of its chain's network_rbac.
struct ConnectionAuthorizer {
  std::shared_ptr<const authz::ExtAuthz> config;
  size_t behind = 0;
};

// An HTTP connection manager's or a TCP proxy's settings.
struct FilterChain {
  std::string name;
  FilterChainMatch match;
  std::optional<TlsContext> tls;
  // Network filters before the last one.
  std::optional<ConnectionLimit> connection_limit;
  std::optional<ConnectionRate> connection_rate;
  bool rate_before_limit = false;

  std::string stat_prefix;
  // One of both: a route configuration by name (RDS), or inline.
  std::string route_config_name;
  std::shared_ptr<const route::Table> route_config;
  std::shared_ptr<const TcpProxy> tcp;  // then nothing of HTTP holds
  // Network filters of role-based access control: who may connect at all, in order.
  std::vector<std::shared_ptr<const authz::Rbac>> network_rbac;
  // Who is asked whether a connection may be, in order; of TCP proxies alone.
  std::vector<ConnectionAuthorizer> authorizers;
  std::vector<AccessLog> access_logs;
  Duration request_headers_timeout = std::chrono::seconds(10);
  Duration stream_idle_timeout = std::chrono::minutes(5);
  Duration idle_timeout = std::chrono::hours(1);
  Duration drain_timeout = std::chrono::seconds(5);
  // common_http_protocol_options and request_timeout; zero: none.
  Duration request_timeout{0};
  Duration max_stream_duration{0};
  Duration max_connection_duration{0};
  uint32_t max_requests_per_connection = 0;
  uint32_t max_request_headers_kb = 60;
  http::Http2Options http2;
  // upgrade_configs: what is not listed, here or by the route, is refused.
  std::vector<UpgradeType> upgrades;
  http::PathOptions path;  // what is done with paths before they are matched
  bool generate_request_id = true;
  bool trace_context = false;  // HCM.tracing is set: a traceparent is made where none came
  TraceSampling trace_sampling;
  std::shared_ptr<const SpanPolicy> spans;  // with a provider; null: none are reported
  Edge edge;
  // Of the router.
  bool suppress_envoy_headers = false;
  // Of the filter grpc_stats.
  enum class GrpcStats : uint8_t { None, Total, ByMethod } grpc_stats = GrpcStats::None;
  bool respect_expected_rq_timeout = false;
  std::vector<HttpFilter> http_filters;  // in order, without the router, which is last
};

enum class TrafficDirection : uint8_t { Unspecified, Inbound, Outbound };

// Who may say whose connection it is (PROXY protocol).
struct ProxyProtocol {
  bool any_peer = true;          // else only those of `peers`
  std::vector<CidrRange> peers;  // others speak without
  bool optional = false;         // a connection may begin without it
  bool allow_v1 = true;
  bool allow_v2 = true;
};

struct Listener {
  std::string name;
  SocketAddress address;
  bool ipv4_compat = false;  // an IPv6 listener takes IPv4 as well
  bool freebind = false;     // the address may come later
  bool transparent = false;  // connections to other hosts' addresses come in (TPROXY)
  // False: no socket; connections come from a listener that has use_original_dst.
  bool bind_to_port = true;
  // Connections go on at the listener of their original destination, where there is one.
  bool use_original_dst = false;
  // Listener filter original_dst, or the above: chains and clusters see the original
  // destination.
  bool original_dst = false;
  uint32_t mode = 0;  // of a Unix socket; 0: as umask says
  TrafficDirection direction = TrafficDirection::Unspecified;
  Duration listener_filters_timeout = std::chrono::seconds(15);
  bool continue_on_listener_filters_timeout = false;
  // Listener filters; the PROXY protocol comes first.
  std::optional<ProxyProtocol> proxy_protocol;
  bool tls_inspector = false;
  bool http_inspector = false;
  // Of its metadata (xds/decode_metrics.h); null: the standard metrics as they are.
  std::shared_ptr<const telemetry::MetricChoices> metrics;
  std::vector<FilterChain> filter_chains;
  std::unique_ptr<const FilterChain> default_filter_chain;  // where none matches
};

enum class HealthStatus : uint8_t { Unknown, Healthy, Unhealthy, Draining, Degraded, Timeout };

// Who an endpoint is, for metrics: Istio's metadata "istio", workload
// "NAME;NAMESPACE;CANONICAL-NAME;CANONICAL-REVISION;CLUSTER". Empty: not said.
struct WorkloadName {
  std::string name;
  std::string ns;
  std::string canonical_name;
  std::string canonical_revision;
  std::string cluster;
  bool operator==(const WorkloadName&) const = default;
};

// Which service a cluster is of, for metrics: Istio's metadata "istio", the first
// of `services`. Empty: not said.
struct ServiceName {
  std::string host;
  std::string name;
  std::string ns;
  bool operator==(const ServiceName&) const = default;
};

struct Endpoint {
  SocketAddress address;
  std::string hostname;
  uint32_t weight = 1;
  HealthStatus health = HealthStatus::Unknown;
  bool tls = false;               // metadata envoy.transport_socket_match tlsMode=istio
  uint32_t group = 0;             // index of a LocalityGroup
  balance::Metadata lb_metadata;  // "envoy.lb", for subsets
  std::string hash_key;           // its hash_key: for consistent hashing instead of the address
  WorkloadName workload;
  // Active health checks: elsewhere than at `address` (a port of 0 and no host: as
  // there), by another name, or not at all.
  std::optional<SocketAddress> health_check_address;
  uint16_t health_check_port = 0;
  std::string health_check_hostname;
  bool health_check_disabled = false;
  bool operator==(const Endpoint&) const = default;
};

// The endpoints of a locality in a priority: LocalityLbEndpoints.
struct LocalityGroup {
  std::string locality = {};  // region/zone/sub_zone
  uint32_t priority = 0;
  uint32_t weight = 0;  // 0: none was given
  bool operator==(const LocalityGroup&) const = default;
};

// So many of the requests are refused, whatever the endpoints' state.
struct DropOverload {
  std::string category;
  uint32_t per_million = 0;
  bool operator==(const DropOverload&) const = default;
};

struct ClusterLoadAssignment {
  std::string cluster_name;
  std::vector<LocalityGroup> groups;
  std::vector<Endpoint> endpoints;
  uint32_t overprovisioning_percent = 140;
  bool weighted_priority_health = false;
  std::vector<DropOverload> drop_overloads;
};

struct CircuitLimits {  // over all workers; Envoy's defaults
  uint32_t max_connections = 1024;
  uint32_t max_pending_requests = 1024;
  uint32_t max_requests = 1024;
  uint32_t max_retries = 3;
  bool track_remaining = false;
  // retry_budget: percent of active requests and floor; nullopt: max_retries rules.
  std::optional<double> retry_budget_percent;
  uint32_t min_retry_concurrency = 3;
  Duration budget_interval{0};  // requests begun within it are active, too
};

// What is not set is the kernel's.
struct TcpKeepalive {
  std::optional<uint32_t> probes;
  std::optional<uint32_t> time_s;
  std::optional<uint32_t> interval_s;
  bool operator==(const TcpKeepalive&) const = default;
};

// How the names of a cluster's endpoints become addresses; Envoy's defaults.
struct Dns {
  enum class Family : uint8_t { Auto /* IPv6, else IPv4 */, V4Only, V6Only, V4Preferred, All };
  Family family = Family::Auto;
  Duration refresh = std::chrono::seconds(5);
  Duration jitter{0};
  Duration failure_first = std::chrono::seconds(5);  // doubled up to
  Duration failure_most = std::chrono::seconds(5);
  bool operator==(const Dns&) const = default;
};

enum class UpstreamProtocol : uint8_t {
  Http1,
  Http2,
  Auto,       // by ALPN
  Downstream  // that of the request
};

// Of a cluster of type ORIGINAL_DST.
struct OriginalDst {
  std::string header;                                   // lower case; empty: no header is looked at
  uint16_t port = 0;                                    // instead of the destination's; 0: that one
  Duration cleanup_interval = std::chrono::seconds(5);  // hosts unused for as long go
  bool operator==(const OriginalDst&) const = default;
};

struct Cluster {
  std::string name;
  std::string alt_stat_name;
  ServiceName service;
  std::string eds_service_name;  // empty: the cluster's name
  // Zone-aware routing: where the caller is and which cluster it belongs to, before
  // what Config says. Empty: as Config says.
  std::string caller_locality;
  std::string caller_cluster;
  enum class Discovery : uint8_t {
    Static,
    Eds,
    StrictDns,
    LogicalDns,
    OriginalDst
  } discovery = Discovery::Eds;
  OriginalDst original_dst;
  // upstream_bind_config: where connections come from; AF_UNSPEC as an empty host: anywhere.
  SocketAddress source_address;
  bool source_freebind = false;
  balance::Config balancing;
  Duration connect_timeout = std::chrono::seconds(5);
  Duration idle_timeout = std::chrono::hours(1);
  Duration max_connection_duration{0};
  Duration max_stream_duration{0};
  UpstreamProtocol protocol = UpstreamProtocol::Http1;
  http::Http2Options http2;
  std::optional<TlsContext> tls;
  // transport_socket_matches: endpoints whose metadata says tlsMode=istio use
  // tls, the others clear text.
  bool tls_by_endpoint = false;
  // upstream_proxy_protocol: connections begin with a PROXY header; 0: none.
  uint8_t proxy_protocol_version = 0;
  CircuitLimits limits;       // of priority DEFAULT
  CircuitLimits high_limits;  // of priority HIGH
  // per_host_thresholds: connections to one endpoint, over all workers.
  uint32_t host_max_connections = UINT32_MAX;
  uint32_t max_requests_per_connection = 0;  // 0: no limit
  uint32_t max_concurrent_streams = 0;       // of an HTTP/2 connection; 0: as the peer allows
  std::optional<TcpKeepalive> tcp_keepalive;
  std::optional<resilience::OutlierPolicy> outlier;
  std::vector<HealthCheck> health_checks;
  bool ignore_new_hosts_until_first_hc = false;
  bool close_connections_on_host_health_failure = false;
  Dns dns;  // of StrictDns and LogicalDns
  // The endpoints of a static cluster, with names as hosts where it resolves them;
  // null where they come by EDS.
  std::shared_ptr<const ClusterLoadAssignment> load_assignment;
};

// Everything one forwarder runs on.
struct Config {
  std::string generation;  // the marker, empty for a static file
  std::vector<std::shared_ptr<const Listener>> listeners;
  std::map<std::string, std::shared_ptr<const route::Table>, std::less<>> routes;
  std::map<std::string, std::shared_ptr<const Cluster>, std::less<>> clusters;
  // By the name that EDS knows them by: the cluster's eds_service_name or name.
  std::map<std::string, std::shared_ptr<const ClusterLoadAssignment>, std::less<>> endpoints;
  std::map<std::string, std::shared_ptr<const Secret>, std::less<>> secrets;  // static ones
  // Where this forwarder is, "region/zone/sub_zone", and the cluster that its own
  // instances make (local_cluster_name): for zone-aware routing. Empty: not known.
  std::string locality;
  std::string local_cluster;
  // Where ejections and returns are told, a line of JSON each; empty: nowhere.
  std::string outlier_event_log;
};

}  // namespace mesh::xds
