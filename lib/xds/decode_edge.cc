#include "xds/decode_edge.h"

#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "xds/decode_common.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

using Manager =
    envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;

using envoy::extensions::filters::http::router::v3::Router;

constexpr uint32_t kTrustedHopsMax = 100;

}  // namespace

Result<void> decode_edge(const Manager& manager, std::string_view path, FilterChain& chain) {
  Edge& into = chain.edge;
  into.use_remote_address = manager.use_remote_address().value();
  into.xff_num_trusted_hops = manager.xff_num_trusted_hops();
  if (into.xff_num_trusted_hops > kTrustedHopsMax)
    return refuse(path_of(path, "xff_num_trusted_hops"), "is 0 to 100");
  into.skip_xff_append = manager.skip_xff_append();
  into.preserve_external_request_id = manager.preserve_external_request_id();
  into.always_set_request_id_in_response = manager.always_set_request_id_in_response();
  using Cert = Edge::ClientCert;
  switch (manager.forward_client_cert_details()) {
    case Manager::SANITIZE: into.client_cert = Cert::Sanitize; break;
    case Manager::FORWARD_ONLY: into.client_cert = Cert::ForwardOnly; break;
    case Manager::APPEND_FORWARD: into.client_cert = Cert::AppendForward; break;
    case Manager::SANITIZE_SET: into.client_cert = Cert::SanitizeSet; break;
    case Manager::ALWAYS_FORWARD_ONLY: into.client_cert = Cert::AlwaysForwardOnly; break;
    default: return refuse(path_of(path, "forward_client_cert_details"), "is not known");
  }
  const auto& details = manager.set_current_client_cert_details();
  into.cert_subject = details.subject().value();
  into.cert_dns = details.dns();
  into.cert_uri = details.uri();
  for (const auto& filter : manager.http_filters()) {
    Router router;
    if (!filter.typed_config().UnpackTo(&router)) continue;
    chain.suppress_envoy_headers = router.suppress_envoy_headers();
    chain.respect_expected_rq_timeout = router.respect_expected_rq_timeout();
  }
  return {};
}

Result<void> decode_times(const Manager& manager, std::string_view path, FilterChain& into) {
  const auto set = [&](bool has, const google::protobuf::Duration& value, std::string_view field,
                       Duration& to) -> Result<void> {
    if (has) {
      MESH_TRY(to, decode_duration(value, path_of(path, field)));
    }
    return {};
  };
  MESH_TRY_VOID(set(manager.has_request_headers_timeout(), manager.request_headers_timeout(),
                    "request_headers_timeout", into.request_headers_timeout));
  MESH_TRY_VOID(set(manager.has_request_timeout(), manager.request_timeout(), "request_timeout",
                    into.request_timeout));
  MESH_TRY_VOID(set(manager.has_stream_idle_timeout(), manager.stream_idle_timeout(),
                    "stream_idle_timeout", into.stream_idle_timeout));
  MESH_TRY_VOID(set(manager.has_drain_timeout(), manager.drain_timeout(), "drain_timeout",
                    into.drain_timeout));
  const auto& common = manager.common_http_protocol_options();
  MESH_TRY_VOID(set(common.has_idle_timeout(), common.idle_timeout(),
                    "common_http_protocol_options.idle_timeout", into.idle_timeout));
  MESH_TRY_VOID(set(common.has_max_connection_duration(), common.max_connection_duration(),
                    "common_http_protocol_options.max_connection_duration",
                    into.max_connection_duration));
  into.max_requests_per_connection = common.max_requests_per_connection().value();
  return set(common.has_max_stream_duration(), common.max_stream_duration(),
             "common_http_protocol_options.max_stream_duration", into.max_stream_duration);
}

}  // namespace mesh::xds
