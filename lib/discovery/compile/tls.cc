#include "discovery/compile/build.h"
#include "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"

namespace mesh::discovery {
namespace {

namespace core = envoy::config::core::v3;
namespace tls = envoy::extensions::transport_sockets::tls::v3;

// The names that certd's watch delivers under, as Istio's agent has them.
constexpr const char* kOwnSecret = "default";
constexpr const char* kRootSecret = "ROOTCA";

void set_secret(const char* name, tls::SdsSecretConfig& into) {
  into.set_name(name);
  set_ads(*into.mutable_sds_config());
}

tls::CertificateValidationContext& set_common(tls::CommonTlsContext& common) {
  // Both ends are forwarders of the mesh: nothing older is needed.
  common.mutable_tls_params()->set_tls_minimum_protocol_version(tls::TlsParameters::TLSv1_3);
  common.mutable_tls_params()->set_tls_maximum_protocol_version(tls::TlsParameters::TLSv1_3);
  set_secret(kOwnSecret, *common.add_tls_certificate_sds_secret_configs());
  auto& combined = *common.mutable_combined_validation_context();
  set_secret(kRootSecret, *combined.mutable_validation_context_sds_secret_config());
  return *combined.mutable_default_validation_context();
}

}  // namespace

void set_peer_tls(const std::vector<std::string>& exact_uris, std::string_view sni,
                  core::TransportSocket& into) {
  tls::UpstreamTlsContext context;
  auto& common = *context.mutable_common_tls_context();
  auto& validation = set_common(common);
  for (const auto& uri : exact_uris) {
    auto& name = *validation.add_match_typed_subject_alt_names();
    name.set_san_type(tls::SubjectAltNameMatcher::URI);
    name.mutable_matcher()->set_exact(uri);
  }
  context.set_sni(std::string(sni));
  into.set_name("envoy.transport_sockets.tls");
  pack(context, *into.mutable_typed_config());
}

void set_own_tls(std::string_view trust_domain, bool http, core::TransportSocket& into) {
  tls::DownstreamTlsContext context;
  auto& common = *context.mutable_common_tls_context();
  auto& name = *set_common(common).add_match_typed_subject_alt_names();
  name.set_san_type(tls::SubjectAltNameMatcher::URI);
  name.mutable_matcher()->set_prefix("spiffe://" + std::string(trust_domain) + "/");
  if (http) {
    common.add_alpn_protocols("h2");
    common.add_alpn_protocols("http/1.1");
  }
  context.mutable_require_client_certificate()->set_value(true);
  into.set_name("envoy.transport_sockets.tls");
  pack(context, *into.mutable_typed_config());
}

void set_raw_buffer(core::TransportSocket& into) {
  into.set_name("envoy.transport_sockets.raw_buffer");
  pack(envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer(),
       *into.mutable_typed_config());
}

}  // namespace mesh::discovery
