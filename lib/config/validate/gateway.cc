#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "config/validate/validate.h"
#include "istio/networking/v1alpha3/gateway.pb.h"

namespace mesh::config {
namespace {

using namespace ::istio::networking::v1alpha3;
using Tls = ServerTLSSettings;

// Istio's list; those of TLS 1.3 are not chosen.
constexpr std::string_view kCiphers[] = {"ECDHE-ECDSA-AES128-GCM-SHA256",
                                         "ECDHE-RSA-AES128-GCM-SHA256",
                                         "ECDHE-ECDSA-AES256-GCM-SHA384",
                                         "ECDHE-RSA-AES256-GCM-SHA384",
                                         "ECDHE-ECDSA-CHACHA20-POLY1305",
                                         "ECDHE-RSA-CHACHA20-POLY1305",
                                         "ECDHE-ECDSA-AES128-SHA",
                                         "ECDHE-RSA-AES128-SHA",
                                         "ECDHE-ECDSA-AES256-SHA",
                                         "ECDHE-RSA-AES256-SHA",
                                         "AES128-GCM-SHA256",
                                         "AES256-GCM-SHA384",
                                         "AES128-SHA",
                                         "AES256-SHA"};

bool ends_tls(const Tls& tls) { return tls.mode() != Tls::PASSTHROUGH; }

void check_file(const std::string& path, const std::string& file, Checker& checker) {
  checker.expect(file.starts_with('/') && file.find('~') == std::string::npos, path,
                 "expected the path of a PEM file, which begins with / and has no ~, got " +
                     text::quoted(file));
}

void check_none(const Tls& tls, const std::string& path, std::string_view mode, Checker& checker) {
  const std::pair<const char*, bool> fields[] = {
      {".serverCertificate", !tls.server_certificate().empty()},
      {".privateKey", !tls.private_key().empty()},
      {".caCertificates", !tls.ca_certificates().empty()},
      {".credentialName", !tls.credential_name().empty()},
      {".caCertCredentialName", !tls.ca_cert_credential_name().empty()},
      {".subjectAltNames", !tls.subject_alt_names().empty()}};
  for (const auto& [field, set] : fields)
    checker.expect(!set, path + field, "does nothing with mode " + std::string(mode));
}

// Who signs the clients' certificates.
void check_authorities(const Tls& tls, const std::string& path, Checker& checker) {
  const std::string& apart = tls.ca_cert_credential_name();
  if (!apart.empty()) checker.dns_name(path + ".caCertCredentialName", apart);
  if (apart.empty() && tls.credential_name().empty())
    return check_file(path + ".caCertificates", tls.ca_certificates(), checker);
  checker.expect(tls.ca_certificates().empty(), path + ".caCertificates",
                 "is ca.crt of the credential that is named");
}

void check_certificates(const Tls& tls, const std::string& path, Checker& checker) {
  switch (tls.mode()) {
    case Tls::PASSTHROUGH: return check_none(tls, path, "PASSTHROUGH, the default", checker);
    case Tls::ISTIO_MUTUAL: return check_none(tls, path, "ISTIO_MUTUAL", checker);
    default: break;
  }
  const bool named = !tls.credential_name().empty();
  if (named) {
    checker.dns_name(path + ".credentialName", tls.credential_name());
    checker.expect(tls.server_certificate().empty() && tls.private_key().empty(),
                   path + ".credentialName", "stands for serverCertificate and privateKey");
  } else {
    check_file(path + ".serverCertificate", tls.server_certificate(), checker);
    check_file(path + ".privateKey", tls.private_key(), checker);
  }
  if (tls.mode() != Tls::SIMPLE) return check_authorities(tls, path, checker);
  for (const auto& [field, set] :
       {std::pair(".caCertificates", !tls.ca_certificates().empty()),
        std::pair(".caCertCredentialName", !tls.ca_cert_credential_name().empty())})
    checker.expect(!set, path + field, "clients show no certificate with mode SIMPLE; use MUTUAL");
  checker.expect(tls.subject_alt_names().empty(), path + ".subjectAltNames",
                 "clients show no certificate with mode SIMPLE; use MUTUAL");
}

void check_tls(const Tls& tls, const std::string& path, Checker& checker) {
  checker.expect(!tls.https_redirect(), path + ".httpsRedirect", "is for ports of protocol HTTP");
  check_certificates(tls, path, checker);
  checker.expect(tls.max_protocol_version() == Tls::TLS_AUTO ||
                     tls.min_protocol_version() <= tls.max_protocol_version(),
                 path + ".maxProtocolVersion", "is below minProtocolVersion");
  std::set<std::string> ciphers;
  for (int i = 0; i < tls.cipher_suites_size(); ++i) {
    const std::string& name = tls.cipher_suites(i);
    const std::string at = at_index(path + ".cipherSuites", i);
    if (checker.expect(
            std::find(std::begin(kCiphers), std::end(kCiphers), name) != std::end(kCiphers), at,
            "expected a cipher suite such as " + std::string(kCiphers[1]) + ", got " +
                text::quoted(name)))
      checker.expect(ciphers.insert(name).second, at, "is there twice");
  }
}

void check_hosts(const Server& server, const std::string& path, Checker& checker) {
  checker.expect(!server.hosts().empty(), path, "expected at least one host");
  for (int i = 0; i < server.hosts_size(); ++i) {
    const std::string at = at_index(path, i);
    const size_t slash = server.hosts(i).find('/');
    const std::string ns = slash == std::string::npos ? "*" : server.hosts(i).substr(0, slash);
    if (ns != "." && ns != "*") checker.label_name(at, ns);
    checker.host(at, server.hosts(i).substr(slash == std::string::npos ? 0 : slash + 1), true);
  }
}

bool with_tls(const Port& port) {
  return text::iequals(port.protocol(), "HTTPS") || text::iequals(port.protocol(), "TLS");
}

void check_port(const Server& server, const std::string& path, Checker& checker) {
  const Port& port = server.port();
  const bool pipe = server.bind().starts_with("unix://");
  if (pipe)
    checker.expect(port.number() == 0, path + ".number", "expected 0, since bind is a path");
  else
    checker.port(path + ".number", port.number());
  if (port.name().empty())
    checker.fail(path + ".name", "expected a name");
  else
    checker.label_name(path + ".name", port.name());
  constexpr std::string_view kProtocols[] = {"HTTP",  "HTTPS", "GRPC", "GRPC-WEB",
                                             "HTTP2", "MONGO", "TCP",  "TLS"};
  checker.expect(std::any_of(std::begin(kProtocols), std::end(kProtocols),
                             [&](auto known) { return text::iequals(known, port.protocol()); }),
                 path + ".protocol",
                 "expected HTTP, HTTPS, GRPC, GRPC-WEB, HTTP2, MONGO, TCP or TLS, got " +
                     text::quoted(port.protocol()));
}

void check_bind(const std::string& bind, const std::string& path, Checker& checker) {
  if (bind.empty() || is_ip_address(bind)) return;
  checker.expect(bind.starts_with("unix:///") || bind.starts_with("unix://@"), path,
                 "expected an IP address, unix:///PATH or unix://@NAME, got " + text::quoted(bind));
}

void check_server(const Server& server, const std::string& path, Checker& checker) {
  check_port(server, path + ".port", checker);
  check_bind(server.bind(), path + ".bind", checker);
  check_hosts(server, path + ".hosts", checker);
  if (with_tls(server.port())) {
    if (checker.expect(server.has_tls(), path + ".tls",
                       "is needed with protocol " + server.port().protocol()))
      check_tls(server.tls(), path + ".tls", checker);
    return;
  }
  if (!server.has_tls()) return;
  const bool http = !text::iequals(server.port().protocol(), "TCP") &&
                    !text::iequals(server.port().protocol(), "MONGO");
  checker.expect(http && server.tls().https_redirect(), path + ".tls",
                 "protocol " + server.port().protocol() + " has no TLS; use HTTPS or TLS");
  checker.expect(!ends_tls(server.tls()), path + ".tls.mode", "is for protocols HTTPS and TLS");
}

}  // namespace

void validate(const Gateway& gateway, Checker& checker) {
  checker.expect(!gateway.selector().empty(), "spec.selector",
                 "expected the labels of the forwarders that listen");
  checker.labels("spec.selector", gateway.selector());
  checker.expect(gateway.servers_size() > 0, "spec.servers", "expected at least one server");
  std::set<std::string> port_names;
  std::set<std::string> names;
  std::map<std::pair<std::string, uint32_t>, bool> places;  // and whether TLS is spoken there
  for (int i = 0; i < gateway.servers_size(); ++i) {
    const Server& server = gateway.servers(i);
    const std::string path = at_index("spec.servers", i);
    check_server(server, path, checker);
    checker.expect(server.port().name().empty() || port_names.insert(server.port().name()).second,
                   path + ".port.name", "the name " + server.port().name() + " is there twice");
    checker.expect(server.name().empty() || names.insert(server.name()).second, path + ".name",
                   "the name " + server.name() + " is there twice");
    const bool tls = with_tls(server.port());
    const auto [place, fresh] = places.try_emplace({server.bind(), server.port().number()}, tls);
    checker.expect(place->second == tls, path + ".port.number",
                   "port " + std::to_string(server.port().number()) +
                       " is there with TLS and without; use another port");
  }
}

}  // namespace mesh::config
