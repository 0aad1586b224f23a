#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <array>

#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"
#include "envoy/extensions/filters/http/adaptive_concurrency/v3/adaptive_concurrency.pb.h"
#include "envoy/extensions/filters/http/cors/v3/cors.pb.h"
#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"
#include "envoy/extensions/filters/http/grpc_stats/v3/grpc_stats.pb.h"
#include "envoy/extensions/filters/http/jwt_authn/v3/jwt_authn.pb.h"
#include "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.pb.h"
#include "envoy/extensions/filters/http/rbac/v3/rbac.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/http/stateful_session/v3/stateful_session.pb.h"
#include "envoy/extensions/filters/listener/http_inspector/v3/http_inspector.pb.h"
#include "envoy/extensions/filters/listener/original_dst/v3/original_dst.pb.h"
#include "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.pb.h"
#include "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.pb.h"
#include "envoy/extensions/filters/network/connection_limit/v3/connection_limit.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/filters/network/local_ratelimit/v3/local_rate_limit.pb.h"
#include "envoy/extensions/filters/network/rbac/v3/rbac.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "envoy/extensions/http/stateful_session/cookie/v3/cookie.pb.h"
#include "envoy/extensions/http/stateful_session/header/v3/header.pb.h"
#include "envoy/extensions/load_balancing_policies/least_request/v3/least_request.pb.h"
#include "envoy/extensions/load_balancing_policies/maglev/v3/maglev.pb.h"
#include "envoy/extensions/load_balancing_policies/random/v3/random.pb.h"
#include "envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash.pb.h"
#include "envoy/extensions/load_balancing_policies/round_robin/v3/round_robin.pb.h"
#include "envoy/extensions/path/match/uri_template/v3/uri_template_match.pb.h"
#include "envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections.pb.h"
#include "envoy/extensions/resource_monitors/fixed_heap/v3/fixed_heap.pb.h"
#include "envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.pb.h"
#include "envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities.pb.h"
#include "envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.pb.h"
#include "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "envoy/extensions/upstreams/http/v3/http.pb.h"
#include "mesh/xds/v1/circuit_breaker.pb.h"
#include "mesh/xds/v1/descriptors_monitor.pb.h"
#include "mesh/xds/v1/modulo_hash.pb.h"
#include "mesh/xds/v1/outlier_return.pb.h"
#include "mesh/xds/v1/peer_identity.pb.h"
#include "mesh/xds/v1/proxy_protocol.pb.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace ext = envoy::extensions;

// Asking each type for its descriptor also makes the linker keep it, which
// otherwise drops a message that is only ever found by its name.
const auto& known() {
  static const std::array types = {
      envoy::config::route::v3::FilterConfig::descriptor(),
      ext::access_loggers::file::v3::FileAccessLog::descriptor(),
      ext::filters::http::cors::v3::Cors::descriptor(),
      ext::filters::http::cors::v3::CorsPolicy::descriptor(),
      ext::filters::http::adaptive_concurrency::v3::AdaptiveConcurrency::descriptor(),
      ext::filters::http::fault::v3::HTTPFault::descriptor(),
      ext::filters::http::grpc_stats::v3::FilterConfig::descriptor(),
      ext::filters::http::jwt_authn::v3::JwtAuthentication::descriptor(),
      ext::filters::http::jwt_authn::v3::PerRouteConfig::descriptor(),
      ext::filters::http::local_ratelimit::v3::LocalRateLimit::descriptor(),
      ext::filters::http::rbac::v3::RBAC::descriptor(),
      ext::filters::http::rbac::v3::RBACPerRoute::descriptor(),
      ext::filters::http::router::v3::Router::descriptor(),
      ext::filters::listener::http_inspector::v3::HttpInspector::descriptor(),
      ext::filters::listener::original_dst::v3::OriginalDst::descriptor(),
      ext::filters::listener::proxy_protocol::v3::ProxyProtocol::descriptor(),
      mesh::xds::v1::ProxyProtocol::descriptor(),
      ext::filters::listener::tls_inspector::v3::TlsInspector::descriptor(),
      ext::filters::network::connection_limit::v3::ConnectionLimit::descriptor(),
      ext::filters::network::http_connection_manager::v3::HttpConnectionManager::descriptor(),
      ext::filters::network::local_ratelimit::v3::LocalRateLimit::descriptor(),
      ext::filters::network::rbac::v3::RBAC::descriptor(),
      ext::filters::network::tcp_proxy::v3::TcpProxy::descriptor(),
      ext::path::match::uri_template::v3::UriTemplateMatchConfig::descriptor(),
      ext::filters::http::stateful_session::v3::StatefulSession::descriptor(),
      ext::filters::http::stateful_session::v3::StatefulSessionPerRoute::descriptor(),
      ext::http::stateful_session::cookie::v3::CookieBasedSessionState::descriptor(),
      ext::http::stateful_session::header::v3::HeaderBasedSessionState::descriptor(),
      ext::load_balancing_policies::least_request::v3::LeastRequest::descriptor(),
      ext::load_balancing_policies::maglev::v3::Maglev::descriptor(),
      ext::load_balancing_policies::random::v3::Random::descriptor(),
      ext::load_balancing_policies::ring_hash::v3::RingHash::descriptor(),
      ext::load_balancing_policies::round_robin::v3::RoundRobin::descriptor(),
      ext::retry::host::previous_hosts::v3::PreviousHostsPredicate::descriptor(),
      ext::transport_sockets::proxy_protocol::v3::ProxyProtocolUpstreamTransport::descriptor(),
      ext::retry::priority::previous_priorities::v3::PreviousPrioritiesConfig::descriptor(),
      ext::transport_sockets::raw_buffer::v3::RawBuffer::descriptor(),
      ext::transport_sockets::tls::v3::DownstreamTlsContext::descriptor(),
      ext::transport_sockets::tls::v3::UpstreamTlsContext::descriptor(),
      ext::upstreams::http::v3::HttpProtocolOptions::descriptor(),
      v1::ModuloHash::descriptor(),
      ::mesh::xds::v1::OutlierReturn::descriptor(),
      ext::resource_monitors::downstream_connections::v3::DownstreamConnectionsConfig::descriptor(),
      ext::resource_monitors::fixed_heap::v3::FixedHeapConfig::descriptor(),
      v1::CircuitBreaker::descriptor(),
      v1::DescriptorsMonitor::descriptor(),
      v1::PeerIdentity::descriptor(),
  };
  return types;
}

}  // namespace

const google::protobuf::Descriptor* find_extension(std::string_view full_name) {
  const auto found = std::find_if(known().begin(), known().end(),
                                  [&](const auto* type) { return type->full_name() == full_name; });
  return found == known().end() ? nullptr : *found;
}

}  // namespace mesh::xds
