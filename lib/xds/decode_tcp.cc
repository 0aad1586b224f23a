#include <algorithm>

#include "base/text.h"
#include "envoy/extensions/filters/listener/http_inspector/v3/http_inspector.pb.h"
#include "envoy/extensions/filters/listener/original_dst/v3/original_dst.pb.h"
#include "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.pb.h"
#include "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.pb.h"
#include "mesh/xds/v1/proxy_protocol.pb.h"
#include "xds/decode_listener.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace pb = envoy::config::listener::v3;
namespace core = envoy::config::core::v3;
namespace filters = envoy::extensions::filters::listener;
using envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;
using PbTcpProxy = TcpProxy;

constexpr int kTargetsMax = 1000;

Result<void> decode_targets(const PbTcpProxy& proxy, const std::string& path, xds::TcpProxy& into) {
  if (proxy.has_weighted_clusters()) {
    const auto& clusters = proxy.weighted_clusters().clusters();
    const std::string at = path_of(path, "weighted_clusters");
    if (clusters.empty() || clusters.size() > kTargetsMax)
      return refuse(path_of(at, "clusters"), "are 1 to 1000");
    into.weight_sum = 0;
    for (int i = 0; i < clusters.size(); ++i) {
      const std::string item = path_of(at, "clusters", i);
      if (clusters[i].name().empty()) return refuse(path_of(item, "name"), "is empty");
      if (clusters[i].weight() == 0) return refuse(path_of(item, "weight"), "is at least 1");
      into.targets.push_back({clusters[i].name(), clusters[i].weight()});
      into.weight_sum += clusters[i].weight();
    }
    return {};
  }
  if (proxy.cluster().empty()) return refuse(path_of(path, "cluster"), "is empty");
  into.targets.push_back({proxy.cluster(), 1});
  return {};
}

// It is written into a request: HOST:PORT and nothing that would end it.
Result<std::string> decode_authority(const std::string& text, const std::string& path) {
  constexpr size_t kBytesMax = 255 + 8;
  const size_t colon = text.rfind(':');
  const auto port = colon == std::string::npos
                        ? Result<uint64_t>(Error{Errc::Invalid, "no port"})
                        : text::parse_uint(std::string_view(text).substr(colon + 1), 65535);
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._:[]").find(c) != std::string_view::npos;
  };
  if (!port || *port == 0 || colon == 0 || text.size() > kBytesMax ||
      !std::all_of(text.begin(), text.end(), allowed))
    return refuse(path, "expected HOST:PORT, without operators");
  return text;
}

Result<ProxyProtocol> decode_proxy_protocol(const filters::proxy_protocol::v3::ProxyProtocol& from,
                                            const std::string& path) {
  ProxyProtocol result;
  result.optional = from.allow_requests_without_proxy_protocol();
  for (const int version : from.disallowed_versions())
    (version == core::ProxyProtocolConfig::V2 ? result.allow_v2 : result.allow_v1) = false;
  if (!result.allow_v1 && !result.allow_v2)
    return refuse(path_of(path, "disallowed_versions"), "leaves none");
  return result;
}

}  // namespace

Result<void> decode_tcp_proxy(const PbTcpProxy& proxy, const std::string& path, FilterChain& into) {
  auto result = std::make_shared<xds::TcpProxy>();
  into.stat_prefix = proxy.stat_prefix();
  MESH_TRY_VOID(decode_targets(proxy, path, *result));
  if (proxy.has_idle_timeout()) {
    MESH_TRY(result->idle_timeout,
             decode_duration(proxy.idle_timeout(), path_of(path, "idle_timeout")));
  }
  if (proxy.has_max_downstream_connection_duration()) {
    const std::string at = path_of(path, "max_downstream_connection_duration");
    MESH_TRY(result->max_duration, decode_duration(proxy.max_downstream_connection_duration(), at));
    if (result->max_duration < std::chrono::milliseconds(1)) return refuse(at, "is at least 1ms");
  }
  if (proxy.has_max_connect_attempts()) {
    result->max_connect_attempts = proxy.max_connect_attempts().value();
    if (result->max_connect_attempts == 0)
      return refuse(path_of(path, "max_connect_attempts"), "is at least 1");
  }
  if (proxy.has_tunneling_config()) {
    MESH_TRY(result->tunnel_to, decode_authority(proxy.tunneling_config().hostname(),
                                                 path_of(path, "tunneling_config.hostname")));
  }
  if (proxy.hash_policy_size() > 1) return refuse(path_of(path, "hash_policy"), "is one at most");
  for (const auto& policy : proxy.hash_policy()) {
    if (!policy.has_source_ip())
      return refuse(path_of(path, "hash_policy", 0), "only source_ip is supported");
    result->hash_source_ip = true;
  }
  MESH_TRY(into.access_logs, decode_access_logs(proxy.access_log(), path));
  into.tcp = std::move(result);
  return {};
}

Result<void> decode_listener_filters(const pb::Listener& listener, std::string_view path,
                                     Listener& into) {
  for (int i = 0; i < listener.listener_filters_size(); ++i) {
    const auto& config = listener.listener_filters(i).typed_config();
    const std::string at = path_of(path, "listener_filters", i);
    const std::string inner = path_of(at, "typed_config");
    if (config.Is<filters::tls_inspector::v3::TlsInspector>()) {
      into.tls_inspector = true;
    } else if (config.Is<filters::http_inspector::v3::HttpInspector>()) {
      into.http_inspector = true;
    } else if (config.Is<filters::original_dst::v3::OriginalDst>()) {
      into.original_dst = true;
    } else if (config.Is<filters::proxy_protocol::v3::ProxyProtocol>()) {
      MESH_TRY(const auto from, unpack<filters::proxy_protocol::v3::ProxyProtocol>(config, inner));
      MESH_TRY(into.proxy_protocol, decode_proxy_protocol(from, inner));
    } else if (config.Is<v1::ProxyProtocol>()) {
      MESH_TRY(const auto from, unpack<v1::ProxyProtocol>(config, inner));
      MESH_TRY(into.proxy_protocol,
               decode_proxy_protocol(from.settings(), path_of(inner, "settings")));
      into.proxy_protocol->any_peer = false;
      if (from.allowed_peers().empty()) return refuse(path_of(inner, "allowed_peers"), "is empty");
      MESH_TRY(into.proxy_protocol->peers,
               decode_ranges(from.allowed_peers(), path_of(inner, "allowed_peers")));
    } else {
      return refuse(
          at, "listener filter \"" + listener.listener_filters(i).name() + "\" is not supported");
    }
    // The first bytes of all are the header; a filter before it would see it.
    if (into.proxy_protocol && (into.tls_inspector || into.http_inspector) &&
        !config.Is<filters::tls_inspector::v3::TlsInspector>() &&
        !config.Is<filters::http_inspector::v3::HttpInspector>())
      return refuse(at, "comes before the inspectors");
  }
  return {};
}

}  // namespace mesh::xds
