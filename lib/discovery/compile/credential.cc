#include "discovery/compile/credential.h"

namespace mesh::discovery {
namespace {

std::string file(const Node& node, const std::string& name, const char* part) {
  return node.credentials + "/" + name + "/" + part;
}

}  // namespace

istio::ServerTLSSettings with_files(const Node& node, istio::ServerTLSSettings settings) {
  using Tls = istio::ServerTLSSettings;
  std::string name = settings.credential_name();
  if (!name.empty()) {
    settings.set_server_certificate(file(node, name, "tls.crt"));
    settings.set_private_key(file(node, name, "tls.key"));
  }
  for (const auto& each : settings.credential_names()) {
    auto& certificate = *settings.add_tls_certificates();
    certificate.set_server_certificate(file(node, each, "tls.crt"));
    certificate.set_private_key(file(node, each, "tls.key"));
    if (name.empty()) name = each;  // clients are verified by the first one's authorities
  }
  if (settings.mode() != Tls::MUTUAL && settings.mode() != Tls::OPTIONAL_MUTUAL) return settings;
  const std::string& authorities = settings.ca_cert_credential_name();
  if (!authorities.empty() || !name.empty())
    settings.set_ca_certificates(file(node, authorities.empty() ? name : authorities, "ca.crt"));
  return settings;
}

istio::ClientTLSSettings with_files(const Node& node, istio::ClientTLSSettings settings) {
  const std::string& name = settings.credential_name();
  if (name.empty()) return settings;
  if (settings.mode() == istio::ClientTLSSettings::MUTUAL) {
    settings.set_client_certificate(file(node, name, "tls.crt"));
    settings.set_private_key(file(node, name, "tls.key"));
  }
  settings.set_ca_certificates(file(node, name, "ca.crt"));
  return settings;
}

}  // namespace mesh::discovery
