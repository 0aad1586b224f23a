#include "xds/decode_listener.h"

#include "base/text.h"
#include "envoy/extensions/filters/http/grpc_stats/v3/grpc_stats.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.pb.h"
#include "http/syntax.h"
#include "xds/decode.h"
#include "xds/decode_edge.h"
#include "xds/decode_filter.h"
#include "xds/decode_http2.h"
#include "xds/decode_metrics.h"
#include "xds/decode_route.h"
#include "xds/decode_tls.h"
#include "xds/decode_tracing.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace pb = envoy::config::listener::v3;
namespace tls = envoy::extensions::transport_sockets::tls::v3;
using GrpcStats = envoy::extensions::filters::http::grpc_stats::v3::FilterConfig;
using envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
using envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;
using envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer;

// A filter that only counts: no part of a request's way, so it is no filter here.
Result<void> decode_grpc_stats(const HttpConnectionManager& manager, std::string_view path,
                               FilterChain& into) {
  for (int i = 0; i < manager.http_filters_size(); ++i) {
    const auto& filter = manager.http_filters(i);
    if (!filter.typed_config().Is<GrpcStats>() || filter.disabled()) continue;
    MESH_TRY(const auto config,
             unpack<GrpcStats>(filter.typed_config(),
                               path_of(path_of(path, "http_filters", i), "typed_config")));
    into.grpc_stats = config.stats_for_all_methods().value() ? FilterChain::GrpcStats::ByMethod
                                                             : FilterChain::GrpcStats::Total;
  }
  return {};
}

Result<void> decode_upgrades(const HttpConnectionManager& manager, std::string_view path,
                             FilterChain& into) {
  for (int i = 0; i < manager.upgrade_configs_size(); ++i) {
    const auto& upgrade = manager.upgrade_configs(i);
    const std::string at = path_of(path, "upgrade_configs", i);
    UpgradeType type{.type = text::to_lower(upgrade.upgrade_type())};
    if (!http::valid_token(type.type)) return refuse(path_of(at, "upgrade_type"), "is no token");
    if (upgrade.has_enabled()) type.enabled = upgrade.enabled().value();
    for (const UpgradeType& other : into.upgrades)
      if (other.type == type.type) return refuse(path_of(at, "upgrade_type"), "stands twice");
    into.upgrades.push_back(std::move(type));
  }
  return {};
}

// Not said: normalised, as Istio does it (Envoy alone would leave paths as they are).
http::PathOptions decode_path_options(const HttpConnectionManager& manager) {
  using Escaped = http::PathOptions::EscapedSlashes;
  http::PathOptions options;
  if (manager.has_normalize_path()) options.normalise = manager.normalize_path().value();
  options.merge_slashes = manager.merge_slashes();
  switch (manager.path_with_escaped_slashes_action()) {
    case HttpConnectionManager::REJECT_REQUEST: options.escaped = Escaped::Reject; break;
    case HttpConnectionManager::UNESCAPE_AND_REDIRECT: options.escaped = Escaped::Redirect; break;
    case HttpConnectionManager::UNESCAPE_AND_FORWARD: options.escaped = Escaped::Decode; break;
    default: break;
  }
  return options;
}

Result<void> decode_manager(const HttpConnectionManager& manager, const std::string& path,
                            FilterChain& into) {
  if (manager.codec_type() != HttpConnectionManager::AUTO)
    return refuse(path_of(path, "codec_type"), "only AUTO is supported");
  into.stat_prefix = manager.stat_prefix();
  switch (manager.route_specifier_case()) {
    case HttpConnectionManager::kRds: {
      const std::string at = path_of(path, "rds");
      into.route_config_name = manager.rds().route_config_name();
      if (into.route_config_name.empty())
        return refuse(path_of(at, "route_config_name"), "is empty");
      MESH_TRY_VOID(check_config_source(manager.rds().has_config_source(),
                                        manager.rds().config_source(), path_of(at, "config_source"),
                                        false));
      break;
    }
    case HttpConnectionManager::kRouteConfig: {
      MESH_TRY(into.route_config,
               decode_routes(manager.route_config(), path_of(path, "route_config")));
      break;
    }
    default: return refuse(path, "expected rds or route_config");
  }
  MESH_TRY(into.http_filters, decode_http_filters(manager, path));
  MESH_TRY_VOID(decode_times(manager, path, into));
  MESH_TRY_VOID(decode_edge(manager, path, into));
  MESH_TRY(into.access_logs, decode_access_logs(manager.access_log(), path));
  if (manager.has_max_request_headers_kb())
    into.max_request_headers_kb = manager.max_request_headers_kb().value();
  if (into.max_request_headers_kb < 1 || into.max_request_headers_kb > 8192)
    return refuse(path_of(path, "max_request_headers_kb"), "is 1 to 8192");
  MESH_TRY(into.http2,
           decode_http2(manager.http2_protocol_options(), path_of(path, "http2_protocol_options")));
  MESH_TRY_VOID(decode_upgrades(manager, path, into));
  MESH_TRY_VOID(decode_grpc_stats(manager, path, into));
  MESH_TRY_VOID(decode_tracing(manager, path, into));
  into.path = decode_path_options(manager);
  if (manager.has_generate_request_id())
    into.generate_request_id = manager.generate_request_id().value();
  return {};
}

Result<void> decode_filter(const pb::Filter& filter, const std::string& at, FilterChain& into) {
  const std::string path = path_of(at, "typed_config");
  const auto& config = filter.typed_config();
  if (config.Is<HttpConnectionManager>()) {
    if (!into.authorizers.empty())
      return refuse(at,
                    "envoy.filters.network.ext_authz is not supported before HTTP; use "
                    "envoy.filters.http.ext_authz");
    MESH_TRY(const auto manager, unpack<HttpConnectionManager>(config, path));
    return decode_manager(manager, path, into);
  }
  if (!config.Is<TcpProxy>())
    return refuse(at, "network filter \"" + filter.name() + "\" is not supported");
  MESH_TRY(const auto proxy, unpack<TcpProxy>(config, path));
  return decode_tcp_proxy(proxy, path, into);
}

Result<FilterChain> decode_chain(const pb::FilterChain& chain, const std::string& path,
                                 const TlsOwner& owner) {
  FilterChain result;
  result.name = chain.name();
  MESH_TRY(result.match,
           decode_chain_match(chain.filter_chain_match(), path_of(path, "filter_chain_match")));
  const int last = chain.filters_size() - 1;
  if (last < 0) return refuse(path_of(path, "filters"), "is empty");
  for (int i = 0; i < last; ++i)
    MESH_TRY_VOID(decode_connection_filter(chain.filters(i), path_of(path, "filters", i), result));
  MESH_TRY_VOID(decode_filter(chain.filters(last), path_of(path, "filters", last), result));
  if (!chain.has_transport_socket()) return result;
  const auto& socket = chain.transport_socket().typed_config();
  const std::string at = path_of(path, "transport_socket.typed_config");
  if (socket.Is<RawBuffer>()) return result;
  MESH_TRY(const auto context, unpack<tls::DownstreamTlsContext>(socket, at));
  MESH_TRY(result.tls, decode_downstream_tls(context, at, owner));
  return result;
}

Result<void> decode_chains(const pb::Listener& listener, std::string_view path, Secrets* secrets,
                           Listener& into) {
  const bool alone = listener.has_default_filter_chain();
  if (listener.filter_chains_size() == 0 && !alone)
    return refuse(path_of(path, "filter_chains"), "is empty");
  if (size_t(listener.filter_chains_size()) > kFilterChainsMax)
    return Error{Errc::TooBig, "over " + std::to_string(kFilterChainsMax) + " filter chains"};
  for (int i = 0; i < listener.filter_chains_size(); ++i) {
    const TlsOwner owner{into.name + "/" + std::to_string(i), secrets};
    const std::string at = path_of(path, "filter_chains", i);
    MESH_TRY(auto chain, decode_chain(listener.filter_chains(i), at, owner));
    for (const FilterChain& other : into.filter_chains)
      if (other.match == chain.match)
        return refuse(path_of(at, "filter_chain_match"), "another chain has the same");
    const bool by_bytes = !chain.match.transport_protocol.empty() ||
                          !chain.match.server_names.empty() ||
                          !chain.match.application_protocols.empty();
    if (by_bytes && !into.tls_inspector && !into.http_inspector)
      return refuse(path_of(path, "listener_filters"),
                    "matching by transport_protocol, server_names or application_protocols needs "
                    "the tls_inspector or the http_inspector");
    into.filter_chains.push_back(std::move(chain));
  }
  if (!alone) return {};
  const TlsOwner owner{into.name + "/default", secrets};
  MESH_TRY(auto chain, decode_chain(listener.default_filter_chain(),
                                    path_of(path, "default_filter_chain"), owner));
  into.default_filter_chain = std::make_unique<const FilterChain>(std::move(chain));
  return {};
}

Result<TrafficDirection> decode_direction(envoy::config::core::v3::TrafficDirection direction) {
  switch (direction) {
    case envoy::config::core::v3::INBOUND: return TrafficDirection::Inbound;
    case envoy::config::core::v3::OUTBOUND: return TrafficDirection::Outbound;
    default: return TrafficDirection::Unspecified;
  }
}

Result<void> decode_binding(const pb::Listener& listener, std::string_view path, Listener& into) {
  MESH_TRY(into.address, decode_address(listener.address(), path_of(path, "address"), true));
  into.mode = listener.address().pipe().mode();
  into.ipv4_compat = listener.address().socket_address().ipv4_compat();
  into.freebind = listener.freebind().value();
  into.transparent = listener.transparent().value();
  if (listener.has_bind_to_port()) into.bind_to_port = listener.bind_to_port().value();
  into.use_original_dst = listener.use_original_dst().value();
  into.original_dst |= into.use_original_dst || !into.bind_to_port;
  if (!into.original_dst) return {};
  if (!into.address.path.empty()) return refuse(path_of(path, "address"), "is no IP address");
  if (into.proxy_protocol)
    return refuse(path_of(path, "listener_filters"),
                  "the PROXY protocol and the original destination contradict each other");
  return {};
}

}  // namespace

Result<std::shared_ptr<const Listener>> decode_listener(const pb::Listener& listener,
                                                        std::string_view path, Secrets* secrets) {
  auto result = std::make_shared<Listener>();
  result->name = listener.name();
  if (result->name.empty()) return refuse(path_of(path, "name"), "is empty");
  MESH_TRY(result->direction, decode_direction(listener.traffic_direction()));
  MESH_TRY_VOID(decode_listener_filters(listener, path, *result));
  if (listener.has_listener_filters_timeout()) {
    MESH_TRY(result->listener_filters_timeout,
             decode_duration(listener.listener_filters_timeout(),
                             path_of(path, "listener_filters_timeout")));
  }
  result->continue_on_listener_filters_timeout = listener.continue_on_listener_filters_timeout();
  MESH_TRY_VOID(decode_binding(listener, path, *result));
  MESH_TRY_VOID(decode_chains(listener, path, secrets, *result));
  MESH_TRY(result->metrics, decode_metrics(listener, path));
  return std::shared_ptr<const Listener>(std::move(result));
}

Result<std::shared_ptr<const Listener>> decode_listener(std::string_view bytes) {
  pb::Listener listener;
  MESH_TRY_VOID(parse_supported(bytes, listener));
  return decode_listener(listener, "", nullptr);
}

}  // namespace mesh::xds
