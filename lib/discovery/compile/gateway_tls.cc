#include "discovery/compile/gateway_tls.h"

#include "discovery/compile/build.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"

namespace mesh::discovery {
namespace {

namespace tls = envoy::extensions::transport_sockets::tls::v3;
using Settings = istio::ServerTLSSettings;

tls::TlsParameters::TlsProtocol version(Settings::TLSProtocol from) {
  switch (from) {
    case Settings::TLSV1_2: return tls::TlsParameters::TLSv1_2;
    case Settings::TLSV1_3: return tls::TlsParameters::TLSv1_3;
    default: return tls::TlsParameters::TLS_AUTO;
  }
}

// Names with a scheme are URIs, others are DNS names; a client's may be either.
void add_name(const std::string& text, tls::CertificateValidationContext& into) {
  auto& name = *into.add_match_typed_subject_alt_names();
  const bool uri = text.find("://") != std::string::npos;
  name.set_san_type(uri ? tls::SubjectAltNameMatcher::URI : tls::SubjectAltNameMatcher::DNS);
  name.mutable_matcher()->set_exact(text);
}

void add_certificate(const std::string& chain, const std::string& key,
                     tls::CommonTlsContext& into) {
  auto& certificate = *into.add_tls_certificates();
  certificate.mutable_certificate_chain()->set_filename(chain);
  certificate.mutable_private_key()->set_filename(key);
}

}  // namespace

void set_gateway_tls(std::string_view trust_domain, const Settings& settings, bool http,
                     envoy::config::core::v3::TransportSocket& into) {
  if (settings.mode() == Settings::ISTIO_MUTUAL) return set_own_tls(trust_domain, http, into);
  tls::DownstreamTlsContext context;
  auto& common = *context.mutable_common_tls_context();
  auto& parameters = *common.mutable_tls_params();
  parameters.set_tls_minimum_protocol_version(settings.min_protocol_version() == Settings::TLS_AUTO
                                                  ? tls::TlsParameters::TLSv1_2
                                                  : version(settings.min_protocol_version()));
  parameters.set_tls_maximum_protocol_version(version(settings.max_protocol_version()));
  for (const auto& name : settings.cipher_suites()) parameters.add_cipher_suites(name);
  for (const auto& one : settings.tls_certificates())
    add_certificate(one.server_certificate(), one.private_key(), common);
  if (settings.tls_certificates().empty())
    add_certificate(settings.server_certificate(), settings.private_key(), common);
  const bool required = settings.mode() == Settings::MUTUAL;
  if (required || settings.mode() == Settings::OPTIONAL_MUTUAL) {
    auto& validation = *common.mutable_validation_context();
    validation.mutable_trusted_ca()->set_filename(settings.ca_certificates());
    for (const auto& name : settings.subject_alt_names()) add_name(name, validation);
    if (!settings.ca_crl().empty()) validation.mutable_crl()->set_filename(settings.ca_crl());
    // Istio leaves these out where certificates are files; here they hold whatever they are.
    *validation.mutable_verify_certificate_spki() = settings.verify_certificate_spki();
    *validation.mutable_verify_certificate_hash() = settings.verify_certificate_hash();
  }
  context.mutable_require_client_certificate()->set_value(required);
  if (http) {
    common.add_alpn_protocols("h2");
    common.add_alpn_protocols("http/1.1");
  }
  into.set_name("envoy.transport_sockets.tls");
  pack(context, *into.mutable_typed_config());
}

}  // namespace mesh::discovery
