#include "discovery/compile/client_tls.h"

#include "discovery/compile/build.h"
#include "envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"

namespace mesh::discovery {
namespace {

namespace core = envoy::config::core::v3;
namespace tls = envoy::extensions::transport_sockets::tls::v3;
using envoy::extensions::transport_sockets::proxy_protocol::v3::ProxyProtocolUpstreamTransport;
using Settings = istio::ClientTLSSettings;

constexpr const char* kSystemRoots = "/etc/ssl/certs/ca-certificates.crt";  // Debian's

// Names with a scheme are URIs, others are DNS names.
void add_name(const std::string& text, tls::CertificateValidationContext& into) {
  auto& name = *into.add_match_typed_subject_alt_names();
  const bool uri = text.find("://") != std::string::npos;
  name.set_san_type(uri ? tls::SubjectAltNameMatcher::URI : tls::SubjectAltNameMatcher::DNS);
  name.mutable_matcher()->set_exact(text);
}

void set_validation(const Settings& settings, const Service& service,
                    tls::CertificateValidationContext& into) {
  into.mutable_trusted_ca()->set_filename(
      settings.ca_certificates().empty() ? kSystemRoots : settings.ca_certificates());
  if (!settings.ca_crl().empty()) into.mutable_crl()->set_filename(settings.ca_crl());
  for (const auto& name : settings.subject_alt_names()) add_name(name, into);
  if (!settings.subject_alt_names().empty()) return;
  for (const auto& name : service.subject_alt_names) add_name(name, into);
  if (service.subject_alt_names.empty() && !service.host.starts_with('*'))
    add_name(service.host, into);
}

}  // namespace

void set_client_tls(const Settings& settings, const Service& service,
                    const std::vector<std::string>& alpn, core::TransportSocket& into) {
  tls::UpstreamTlsContext context;
  auto& common = *context.mutable_common_tls_context();
  if (settings.mode() == Settings::MUTUAL) {
    auto& certificate = *common.add_tls_certificates();
    certificate.mutable_certificate_chain()->set_filename(settings.client_certificate());
    certificate.mutable_private_key()->set_filename(settings.private_key());
  }
  if (!settings.insecure_skip_verify().value())
    set_validation(settings, service, *common.mutable_validation_context());
  for (const auto& protocol : alpn) common.add_alpn_protocols(protocol);
  context.set_sni(settings.sni());
  if (settings.sni().empty() && !service.host.starts_with('*')) context.set_sni(service.host);
  into.set_name("envoy.transport_sockets.tls");
  pack(context, *into.mutable_typed_config());
}

void add_proxy_protocol(const istio::TrafficPolicy::ProxyProtocol& settings,
                        core::TransportSocket& socket) {
  using Protocol = istio::TrafficPolicy::ProxyProtocol;
  ProxyProtocolUpstreamTransport transport;
  transport.mutable_config()->set_version(settings.version() == Protocol::V2
                                              ? core::ProxyProtocolConfig::V2
                                              : core::ProxyProtocolConfig::V1);
  if (!socket.has_typed_config()) set_raw_buffer(socket);
  *transport.mutable_transport_socket() = socket;
  socket.Clear();
  socket.set_name("envoy.transport_sockets.upstream_proxy_protocol");
  pack(transport, *socket.mutable_typed_config());
}

}  // namespace mesh::discovery
