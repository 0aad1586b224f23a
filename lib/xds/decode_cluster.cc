#include "xds/decode_cluster.h"

#include <algorithm>

#include "base/text.h"
#include "envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.pb.h"
#include "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.pb.h"
#include "envoy/extensions/upstreams/http/v3/http.pb.h"
#include "xds/decode.h"
#include "xds/decode_balancing.h"
#include "xds/decode_health.h"
#include "xds/decode_http2.h"
#include "xds/decode_tls.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace pb = envoy::config::cluster::v3;
namespace core = envoy::config::core::v3;
namespace tls = envoy::extensions::transport_sockets::tls::v3;
using envoy::config::common::matcher::v3::MatchPredicate;
using envoy::extensions::transport_sockets::proxy_protocol::v3::ProxyProtocolUpstreamTransport;
using envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer;
using envoy::extensions::upstreams::http::v3::HttpProtocolOptions;

Dns::Family decode_family(pb::Cluster::DnsLookupFamily family) {
  switch (family) {
    case pb::Cluster::V4_ONLY: return Dns::Family::V4Only;
    case pb::Cluster::V6_ONLY: return Dns::Family::V6Only;
    case pb::Cluster::V4_PREFERRED: return Dns::Family::V4Preferred;
    case pb::Cluster::ALL: return Dns::Family::All;
    default: return Dns::Family::Auto;
  }
}

Result<void> decode_dns(const pb::Cluster& cluster, std::string_view path, Cluster& into) {
  const bool logical = cluster.type() == pb::Cluster::LOGICAL_DNS;
  into.discovery = logical ? Cluster::Discovery::LogicalDns : Cluster::Discovery::StrictDns;
  MESH_TRY(into.load_assignment,
           decode_assignment(cluster.load_assignment(), path_of(path, "load_assignment"), true));
  if (logical && into.load_assignment->endpoints.size() != 1)
    return refuse(path_of(path, "load_assignment"), "LOGICAL_DNS has exactly one endpoint");
  Dns& dns = into.dns;
  dns.family = decode_family(cluster.dns_lookup_family());
  const auto read = [&](bool has, const auto& value, const std::string& field,
                        Duration& to) -> Result<void> {
    if (!has) return {};
    MESH_TRY(to, decode_duration(value, path_of(path, field)));
    if (to <= std::chrono::milliseconds(1)) return refuse(path_of(path, field), "is over 1ms");
    return {};
  };
  MESH_TRY_VOID(read(cluster.has_dns_refresh_rate(), cluster.dns_refresh_rate(), "dns_refresh_rate",
                     dns.refresh));
  MESH_TRY_VOID(read(cluster.has_dns_jitter(), cluster.dns_jitter(), "dns_jitter", dns.jitter));
  dns.failure_first = dns.failure_most = dns.refresh;
  if (!cluster.has_dns_failure_refresh_rate()) return {};
  const auto& failure = cluster.dns_failure_refresh_rate();
  if (!failure.has_base_interval())
    return refuse(path_of(path, "dns_failure_refresh_rate.base_interval"), "is missing");
  MESH_TRY_VOID(read(true, failure.base_interval(), "dns_failure_refresh_rate.base_interval",
                     dns.failure_first));
  dns.failure_most = dns.failure_first * 10;
  MESH_TRY_VOID(read(failure.has_max_interval(), failure.max_interval(),
                     "dns_failure_refresh_rate.max_interval", dns.failure_most));
  if (dns.failure_most < dns.failure_first)
    return refuse(path_of(path, "dns_failure_refresh_rate.max_interval"), "is below base_interval");
  return {};
}

Result<void> decode_discovery(const pb::Cluster& cluster, std::string_view path, Cluster& into) {
  switch (cluster.type()) {
    case pb::Cluster::EDS: {
      const auto& eds = cluster.eds_cluster_config();
      into.discovery = Cluster::Discovery::Eds;
      into.eds_service_name = eds.service_name();
      if (cluster.has_load_assignment())
        return refuse(path_of(path, "load_assignment"), "is not for a cluster of type EDS");
      return check_config_source(eds.has_eds_config(), eds.eds_config(),
                                 path_of(path, "eds_cluster_config.eds_config"), false);
    }
    case pb::Cluster::STATIC: {
      into.discovery = Cluster::Discovery::Static;
      MESH_TRY(into.load_assignment, decode_assignment(cluster.load_assignment(),
                                                       path_of(path, "load_assignment"), false));
      return {};
    }
    case pb::Cluster::STRICT_DNS:
    case pb::Cluster::LOGICAL_DNS: return decode_dns(cluster, path, into);
    case pb::Cluster::ORIGINAL_DST:
      into.discovery = Cluster::Discovery::OriginalDst;
      return decode_original_dst(cluster, path, into);
    default: return refuse(path_of(path, "type"), "is not known");
  }
}

// Those of the choice that was made, and the name of its field.
const core::Http2ProtocolOptions& http2_options(const HttpProtocolOptions& options,
                                                std::string& field) {
  switch (options.upstream_protocol_options_case()) {
    case HttpProtocolOptions::kExplicitHttpConfig:
      field = "explicit_http_config";
      return options.explicit_http_config().http2_protocol_options();
    case HttpProtocolOptions::kUseDownstreamProtocolConfig:
      field = "use_downstream_protocol_config";
      return options.use_downstream_protocol_config().http2_protocol_options();
    default: field = "auto_config"; return options.auto_config().http2_protocol_options();
  }
}

// Of an answer nothing but its status is looked at.
Result<void> decode_errors(const MatchPredicate& from, std::string_view path, int depth,
                           std::vector<uint16_t>& into) {
  if (from.rule_case() == MatchPredicate::kOrMatch && depth == 0) {
    for (int i = 0; i < from.or_match().rules_size(); ++i)
      MESH_TRY_VOID(decode_errors(from.or_match().rules(i), path_of(path, "or_match.rules", i),
                                  depth + 1, into));
    return {};
  }
  const auto& headers = from.http_response_headers_match().headers();
  const std::string at = path_of(path, "http_response_headers_match.headers");
  if (headers.size() != 1 || headers[0].name() != ":status" || headers[0].invert_match() ||
      headers[0].string_match().exact().empty() || headers[0].string_match().ignore_case())
    return refuse(at, "only one, :status with string_match.exact, is supported");
  const auto status = text::parse_uint(headers[0].string_match().exact(), 599);
  if (!status || *status < 100) return refuse(at, "a status is 100 to 599");
  into.push_back(uint16_t(*status));
  return {};
}

Result<void> decode_errors(const HttpProtocolOptions& options, const std::string& path,
                           Cluster& into) {
  if (!options.has_outlier_detection()) return {};
  const std::string at = path_of(path, "outlier_detection.error_matcher");
  std::vector<uint16_t> statuses;
  MESH_TRY_VOID(decode_errors(options.outlier_detection().error_matcher(), at, 0, statuses));
  if (statuses.empty()) return refuse(at, "is empty");
  std::sort(statuses.begin(), statuses.end());
  // Where nothing is detected nobody asks.
  if (into.outlier) into.outlier->error_statuses = std::move(statuses);
  return {};
}

Result<void> decode_protocol(const pb::Cluster& cluster, std::string_view path, Cluster& into) {
  constexpr std::string_view kName = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
  constexpr std::string_view kOutlierReturn = "mesh.xds.v1.OutlierReturn";
  for (const auto& [name, any] : cluster.typed_extension_protocol_options()) {
    const std::string at = path_of(path, "typed_extension_protocol_options") + "[" + name + "]";
    if (name == kOutlierReturn) continue;  // decode_outlier_return()
    if (name != kName) return refuse(at, "is not supported");
    MESH_TRY(const auto options, unpack<HttpProtocolOptions>(any, at));
    switch (options.upstream_protocol_options_case()) {
      case HttpProtocolOptions::kExplicitHttpConfig:
        into.protocol = options.explicit_http_config().has_http2_protocol_options()
                            ? UpstreamProtocol::Http2
                            : UpstreamProtocol::Http1;
        break;
      case HttpProtocolOptions::kAutoConfig: into.protocol = UpstreamProtocol::Auto; break;
      case HttpProtocolOptions::kUseDownstreamProtocolConfig:
        into.protocol = UpstreamProtocol::Downstream;
        break;
      default:
        return refuse(
            at, "expected explicit_http_config, auto_config or use_downstream_protocol_config");
    }
    std::string field;
    const auto& http2 = http2_options(options, field);
    into.max_concurrent_streams = http2.max_concurrent_streams().value();
    MESH_TRY(into.http2, decode_http2(http2, path_of(at, field + ".http2_protocol_options")));
    MESH_TRY_VOID(decode_errors(options, at, into));
    const auto& common = options.common_http_protocol_options();
    if (common.has_max_requests_per_connection())
      into.max_requests_per_connection = common.max_requests_per_connection().value();
    if (common.has_idle_timeout()) {
      MESH_TRY(into.idle_timeout,
               decode_duration(common.idle_timeout(),
                               path_of(at, "common_http_protocol_options.idle_timeout")));
    }
    MESH_TRY(into.max_connection_duration,
             decode_duration(common.max_connection_duration(),
                             path_of(at, "common_http_protocol_options.max_connection_duration")));
    MESH_TRY(into.max_stream_duration,
             decode_duration(common.max_stream_duration(),
                             path_of(at, "common_http_protocol_options.max_stream_duration")));
  }
  return {};
}

// Known matches: [tlsMode=istio with TLS] and then, if at all, [{} in clear].
Result<void> decode_socket_matches(const pb::Cluster& cluster, const std::string& path,
                                   const TlsOwner& owner, Cluster& into) {
  const auto& matches = cluster.transport_socket_matches();
  if (cluster.has_transport_socket() || matches.size() > 2)
    return refuse(path, "at most two, and no transport_socket beside them");
  const auto& fields = matches[0].match().fields();
  const auto mode = fields.find("tlsMode");
  if (fields.size() != 1 || mode == fields.end() || mode->second.string_value() != "istio")
    return refuse(path + "[0].match", "only tlsMode: istio is supported");
  const std::string at = path + "[0].transport_socket.typed_config";
  MESH_TRY(const auto context,
           unpack<tls::UpstreamTlsContext>(matches[0].transport_socket().typed_config(), at));
  MESH_TRY(into.tls, decode_upstream_tls(context, at, owner));
  into.tls_by_endpoint = true;
  if (matches.size() < 2) return {};
  if (!matches[1].match().fields().empty())
    return refuse(path + "[1].match", "only an empty match is supported");
  const std::string plain = path + "[1].transport_socket.typed_config";
  MESH_TRY_VOID(unpack<RawBuffer>(matches[1].transport_socket().typed_config(), plain));
  return {};
}

Result<void> decode_socket(const pb::Cluster& cluster, std::string_view path, const TlsOwner& owner,
                           Cluster& into) {
  if (cluster.transport_socket_matches_size() > 0)
    return decode_socket_matches(cluster, path_of(path, "transport_socket_matches"), owner, into);
  if (!cluster.has_transport_socket()) return {};
  const std::string at = path_of(path, "transport_socket.typed_config");
  auto socket = cluster.transport_socket().typed_config();
  if (socket.Is<ProxyProtocolUpstreamTransport>()) {
    MESH_TRY(const auto outer, unpack<ProxyProtocolUpstreamTransport>(socket, at));
    into.proxy_protocol_version = outer.config().version() == core::ProxyProtocolConfig::V2 ? 2 : 1;
    if (!outer.has_transport_socket()) return refuse(path_of(at, "transport_socket"), "is missing");
    socket = outer.transport_socket().typed_config();
  }
  if (socket.Is<RawBuffer>()) return {};
  MESH_TRY(const auto context, unpack<tls::UpstreamTlsContext>(socket, at));
  MESH_TRY(into.tls, decode_upstream_tls(context, at, owner));
  return {};
}

// istio: {services: [{host, name, namespace}]}, as Istio writes it.
ServiceName service_name(const pb::Cluster& cluster) {
  const auto& metadata = cluster.metadata().filter_metadata();
  const auto found = metadata.find("istio");
  if (found == metadata.end()) return {};
  const auto services = found->second.fields().find("services");
  if (services == found->second.fields().end() || services->second.list_value().values_size() == 0)
    return {};
  const auto& fields = services->second.list_value().values(0).struct_value().fields();
  const auto text = [&](const char* key) {
    const auto field = fields.find(key);
    return field == fields.end() ? std::string() : field->second.string_value();
  };
  return {.host = text("host"), .name = text("name"), .ns = text("namespace")};
}

// mesh: {caller: {locality, cluster}}: what a bootstrap says as node.locality and
// local_cluster_name.
void set_caller(const pb::Cluster& cluster, Cluster& into) {
  const auto& metadata = cluster.metadata().filter_metadata();
  const auto found = metadata.find("mesh");
  if (found == metadata.end()) return;
  const auto caller = found->second.fields().find("caller");
  if (caller == found->second.fields().end()) return;
  const auto& fields = caller->second.struct_value().fields();
  if (const auto at = fields.find("locality"); at != fields.end())
    into.caller_locality = at->second.string_value();
  if (const auto at = fields.find("cluster"); at != fields.end())
    into.caller_cluster = at->second.string_value();
}

}  // namespace

Result<std::shared_ptr<const Cluster>> decode_cluster(const pb::Cluster& cluster,
                                                      std::string_view path, Secrets* secrets) {
  auto result = std::make_shared<Cluster>();
  result->name = cluster.name();
  if (result->name.empty()) return refuse(path_of(path, "name"), "is empty");
  result->alt_stat_name = cluster.alt_stat_name();
  result->service = service_name(cluster);
  set_caller(cluster, *result);
  MESH_TRY_VOID(decode_discovery(cluster, path, *result));
  MESH_TRY_VOID(decode_bind(cluster, path, *result));
  MESH_TRY_VOID(decode_balancing(cluster, path, result->balancing));
  if (cluster.has_connect_timeout()) {
    MESH_TRY(result->connect_timeout,
             decode_duration(cluster.connect_timeout(), path_of(path, "connect_timeout")));
    if (result->connect_timeout == Duration(0))
      return refuse(path_of(path, "connect_timeout"), "is over 0");
  }
  MESH_TRY_VOID(decode_limits(cluster, std::string(path), *result));
  if (cluster.has_outlier_detection()) {
    MESH_TRY(result->outlier,
             decode_outlier(cluster.outlier_detection(), path_of(path, "outlier_detection")));
  }
  MESH_TRY_VOID(decode_outlier_return(cluster, std::string(path), *result));
  for (int i = 0; i < cluster.health_checks_size(); ++i) {
    MESH_TRY(auto check,
             decode_health_check(cluster.health_checks(i), path_of(path, "health_checks", i)));
    result->health_checks.push_back(std::move(check));
  }
  if (result->health_checks.size() > 1)
    return refuse(path_of(path, "health_checks"), "is one entry at most");
  result->ignore_new_hosts_until_first_hc =
      cluster.common_lb_config().ignore_new_hosts_until_first_hc();
  result->close_connections_on_host_health_failure =
      cluster.close_connections_on_host_health_failure();
  MESH_TRY_VOID(decode_protocol(cluster, path, *result));
  MESH_TRY_VOID(decode_socket(cluster, path, {result->name, secrets}, *result));
  if (result->protocol == UpstreamProtocol::Auto && !result->tls)
    return refuse(path, "auto_config needs TLS, whose ALPN decides");
  return std::shared_ptr<const Cluster>(std::move(result));
}

Result<std::shared_ptr<const Cluster>> decode_cluster(std::string_view bytes) {
  pb::Cluster cluster;
  MESH_TRY_VOID(parse_supported(bytes, cluster));
  return decode_cluster(cluster, "", nullptr);
}

}  // namespace mesh::xds
