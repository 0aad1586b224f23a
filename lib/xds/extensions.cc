#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <array>

#include "envoy/config/route/v3/route.pb.h"
#include "envoy/config/trace/v3/trace.pb.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"
#include "envoy/extensions/filters/http/adaptive_concurrency/v3/adaptive_concurrency.pb.h"
#include "envoy/extensions/filters/http/cors/v3/cors.pb.h"
#include "envoy/extensions/filters/http/ext_authz/v3/ext_authz.pb.h"
#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"
#include "envoy/extensions/filters/http/grpc_stats/v3/grpc_stats.pb.h"
#include "envoy/extensions/filters/http/jwt_authn/v3/jwt_authn.pb.h"
#include "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.pb.h"
#include "envoy/extensions/filters/http/on_demand/v3/on_demand.pb.h"
#include "envoy/extensions/filters/http/rbac/v3/rbac.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/http/stateful_session/v3/stateful_session.pb.h"
#include "envoy/extensions/filters/listener/http_inspector/v3/http_inspector.pb.h"
#include "envoy/extensions/filters/listener/original_dst/v3/original_dst.pb.h"
#include "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.pb.h"
#include "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.pb.h"
#include "envoy/extensions/filters/network/connection_limit/v3/connection_limit.pb.h"
#include "envoy/extensions/filters/network/ext_authz/v3/ext_authz.pb.h"
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
#include "envoy/extensions/request_id/uuid/v3/uuid.pb.h"
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

// Messages rather than descriptors: a type's descriptor is built when it is first asked for,
// and most forwarders meet few of these types. Naming a type also makes the linker keep it,
// which otherwise drops a message that is only ever found by its name.
const auto& known() {
  static const std::array<const google::protobuf::Message*, 53> types = {
      &envoy::config::route::v3::FilterConfig::default_instance(),
      &envoy::config::trace::v3::OpenTelemetryConfig::default_instance(),
      &ext::request_id::uuid::v3::UuidRequestIdConfig::default_instance(),
      &ext::access_loggers::file::v3::FileAccessLog::default_instance(),
      &ext::filters::http::cors::v3::Cors::default_instance(),
      &ext::filters::http::cors::v3::CorsPolicy::default_instance(),
      &ext::filters::http::adaptive_concurrency::v3::AdaptiveConcurrency::default_instance(),
      &ext::filters::http::ext_authz::v3::ExtAuthz::default_instance(),
      &ext::filters::http::ext_authz::v3::ExtAuthzPerRoute::default_instance(),
      &ext::filters::http::fault::v3::HTTPFault::default_instance(),
      &ext::filters::http::grpc_stats::v3::FilterConfig::default_instance(),
      &ext::filters::http::jwt_authn::v3::JwtAuthentication::default_instance(),
      &ext::filters::http::jwt_authn::v3::PerRouteConfig::default_instance(),
      &ext::filters::http::local_ratelimit::v3::LocalRateLimit::default_instance(),
      &ext::filters::http::on_demand::v3::OnDemand::default_instance(),
      &ext::filters::http::rbac::v3::RBAC::default_instance(),
      &ext::filters::http::rbac::v3::RBACPerRoute::default_instance(),
      &ext::filters::http::router::v3::Router::default_instance(),
      &ext::filters::listener::http_inspector::v3::HttpInspector::default_instance(),
      &ext::filters::listener::original_dst::v3::OriginalDst::default_instance(),
      &ext::filters::listener::proxy_protocol::v3::ProxyProtocol::default_instance(),
      &mesh::xds::v1::ProxyProtocol::default_instance(),
      &ext::filters::listener::tls_inspector::v3::TlsInspector::default_instance(),
      &ext::filters::network::connection_limit::v3::ConnectionLimit::default_instance(),
      &ext::filters::network::ext_authz::v3::ExtAuthz::default_instance(),
      &ext::filters::network::http_connection_manager::v3::HttpConnectionManager::
          default_instance(),
      &ext::filters::network::local_ratelimit::v3::LocalRateLimit::default_instance(),
      &ext::filters::network::rbac::v3::RBAC::default_instance(),
      &ext::filters::network::tcp_proxy::v3::TcpProxy::default_instance(),
      &ext::path::match::uri_template::v3::UriTemplateMatchConfig::default_instance(),
      &ext::filters::http::stateful_session::v3::StatefulSession::default_instance(),
      &ext::filters::http::stateful_session::v3::StatefulSessionPerRoute::default_instance(),
      &ext::http::stateful_session::cookie::v3::CookieBasedSessionState::default_instance(),
      &ext::http::stateful_session::header::v3::HeaderBasedSessionState::default_instance(),
      &ext::load_balancing_policies::least_request::v3::LeastRequest::default_instance(),
      &ext::load_balancing_policies::maglev::v3::Maglev::default_instance(),
      &ext::load_balancing_policies::random::v3::Random::default_instance(),
      &ext::load_balancing_policies::ring_hash::v3::RingHash::default_instance(),
      &ext::load_balancing_policies::round_robin::v3::RoundRobin::default_instance(),
      &ext::retry::host::previous_hosts::v3::PreviousHostsPredicate::default_instance(),
      &ext::transport_sockets::proxy_protocol::v3::ProxyProtocolUpstreamTransport::
          default_instance(),
      &ext::retry::priority::previous_priorities::v3::PreviousPrioritiesConfig::default_instance(),
      &ext::transport_sockets::raw_buffer::v3::RawBuffer::default_instance(),
      &ext::transport_sockets::tls::v3::DownstreamTlsContext::default_instance(),
      &ext::transport_sockets::tls::v3::UpstreamTlsContext::default_instance(),
      &ext::upstreams::http::v3::HttpProtocolOptions::default_instance(),
      &v1::ModuloHash::default_instance(),
      &::mesh::xds::v1::OutlierReturn::default_instance(),
      &ext::resource_monitors::downstream_connections::v3::DownstreamConnectionsConfig::
          default_instance(),
      &ext::resource_monitors::fixed_heap::v3::FixedHeapConfig::default_instance(),
      &v1::CircuitBreaker::default_instance(),
      &v1::DescriptorsMonitor::default_instance(),
      &v1::PeerIdentity::default_instance(),
  };
  return types;
}

}  // namespace

const google::protobuf::Descriptor* find_extension(std::string_view full_name) {
  const auto* const type =
      google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(
          std::string(full_name));
  if (type == nullptr) return nullptr;
  const auto* const message =
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(type);
  return std::find(known().begin(), known().end(), message) == known().end() ? nullptr : type;
}

}  // namespace mesh::xds
