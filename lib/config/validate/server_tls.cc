#include "config/validate/server_tls.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>
#include <vector>

#include "base/base64.h"
#include "base/text.h"

namespace mesh::config {
namespace {

using Tls = ::istio::networking::v1alpha3::ServerTLSSettings;

constexpr int kCertificatesMax = 2;  // Istio's

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

void check_file(const std::string& path, const std::string& file, Checker& checker) {
  checker.expect(file.starts_with('/') && file.find('~') == std::string::npos, path,
                 "expected the path of a PEM file, which begins with / and has no ~, got " +
                     text::quoted(file));
}

// What says something of certificates, and whether it is there.
std::vector<std::pair<const char*, bool>> certificate_fields(const Tls& tls) {
  return {{".serverCertificate", !tls.server_certificate().empty()},
          {".privateKey", !tls.private_key().empty()},
          {".caCertificates", !tls.ca_certificates().empty()},
          {".credentialName", !tls.credential_name().empty()},
          {".credentialNames", !tls.credential_names().empty()},
          {".tlsCertificates", !tls.tls_certificates().empty()}};
}

// What is asked of clients' certificates, beside who signed them.
std::vector<std::pair<const char*, bool>> client_fields(const Tls& tls) {
  return {{".caCertCredentialName", !tls.ca_cert_credential_name().empty()},
          {".caCrl", !tls.ca_crl().empty()},
          {".subjectAltNames", !tls.subject_alt_names().empty()},
          {".verifyCertificateSpki", !tls.verify_certificate_spki().empty()},
          {".verifyCertificateHash", !tls.verify_certificate_hash().empty()}};
}

void check_none(const Tls& tls, const std::string& path, std::string_view mode, Checker& checker) {
  for (const auto& fields : {certificate_fields(tls), client_fields(tls)})
    for (const auto& [field, set] : fields)
      checker.expect(!set, path + field, "does nothing with mode " + std::string(mode));
}

// Who signs the clients' certificates.
void check_authorities(const Tls& tls, const std::string& path, Checker& checker) {
  const std::string& apart = tls.ca_cert_credential_name();
  if (!apart.empty()) checker.dns_name(path + ".caCertCredentialName", apart);
  if (apart.empty() && tls.credential_name().empty() && tls.credential_names().empty())
    return check_file(path + ".caCertificates", tls.ca_certificates(), checker);
  checker.expect(tls.ca_certificates().empty(), path + ".caCertificates",
                 "is ca.crt of the credential that is named");
}

// One of the four ways to say which certificates the server shows.
void check_own(const Tls& tls, const std::string& path, Checker& checker) {
  const auto one_way = [&](const char* field, const char* before) {
    if (before != nullptr)
      checker.fail(path + field, std::string(before + 1) + " is there too, and excludes it");
    checker.expect(tls.server_certificate().empty() && tls.private_key().empty(), path + field,
                   "stands for serverCertificate and privateKey");
  };
  const char* before = nullptr;
  const bool ways[] = {!tls.credential_name().empty(), !tls.credential_names().empty(),
                       !tls.tls_certificates().empty()};
  constexpr const char* kFields[] = {".credentialName", ".credentialNames", ".tlsCertificates"};
  for (size_t i = 0; i < std::size(kFields); ++i) {
    if (!ways[i]) continue;
    one_way(kFields[i], before);
    before = kFields[i];
  }
  if (before == nullptr) {
    check_file(path + ".serverCertificate", tls.server_certificate(), checker);
    check_file(path + ".privateKey", tls.private_key(), checker);
  }
  if (ways[0]) checker.dns_name(path + ".credentialName", tls.credential_name());
  for (int i = 0; i < tls.credential_names_size(); ++i)
    checker.dns_name(at_index(path + ".credentialNames", i), tls.credential_names(i));
  for (int i = 0; i < tls.tls_certificates_size(); ++i) {
    const std::string at = at_index(path + ".tlsCertificates", i);
    check_file(at + ".serverCertificate", tls.tls_certificates(i).server_certificate(), checker);
    check_file(at + ".privateKey", tls.tls_certificates(i).private_key(), checker);
  }
  for (const auto& [field, count] : {std::pair(kFields[1], tls.credential_names_size()),
                                     std::pair(kFields[2], tls.tls_certificates_size())})
    checker.expect(count <= kCertificatesMax, path + field,
                   "expected at most two certificates, as RSA and ECDSA");
}

// Beside authorities in a file, as in Istio.
void check_revocations(const Tls& tls, const std::string& path, Checker& checker) {
  if (tls.ca_crl().empty()) return;
  check_file(path + ".caCrl", tls.ca_crl(), checker);
  checker.expect(tls.credential_name().empty() && tls.credential_names().empty(), path + ".caCrl",
                 "is for certificates in files, and a credential is named");
}

void check_pins(const Tls& tls, const std::string& path, Checker& checker) {
  constexpr size_t kSha256Bytes = 32;
  for (int i = 0; i < tls.verify_certificate_spki_size(); ++i) {
    const auto bytes = base64::decode(tls.verify_certificate_spki(i));
    checker.expect(bytes && bytes->size() == kSha256Bytes,
                   at_index(path + ".verifyCertificateSpki", i),
                   "expected the SHA-256 of a public key in base64, got " +
                       text::quoted(tls.verify_certificate_spki(i)));
  }
  for (int i = 0; i < tls.verify_certificate_hash_size(); ++i) {
    std::string hash = tls.verify_certificate_hash(i);
    if (hash.size() == kSha256Bytes * 3 - 1) std::erase(hash, ':');
    const auto bytes = text::from_hex(hash);
    checker.expect(bytes && bytes->size() == kSha256Bytes,
                   at_index(path + ".verifyCertificateHash", i),
                   "expected the SHA-256 of a certificate in hexadecimal, got " +
                       text::quoted(tls.verify_certificate_hash(i)));
  }
}

void check_certificates(const Tls& tls, const std::string& path, Checker& checker) {
  switch (tls.mode()) {
    case Tls::PASSTHROUGH: return check_none(tls, path, "PASSTHROUGH, the default", checker);
    case Tls::ISTIO_MUTUAL: return check_none(tls, path, "ISTIO_MUTUAL", checker);
    default: break;
  }
  check_own(tls, path, checker);
  check_pins(tls, path, checker);
  check_revocations(tls, path, checker);
  if (tls.mode() != Tls::SIMPLE) return check_authorities(tls, path, checker);
  auto asked = client_fields(tls);
  asked.emplace_back(".caCertificates", !tls.ca_certificates().empty());
  for (const auto& [field, set] : asked)
    checker.expect(!set, path + field, "clients show no certificate with mode SIMPLE; use MUTUAL");
}

}  // namespace

void check_server_tls(const Tls& tls, const std::string& path, Checker& checker) {
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

void check_ingress_tls(const Tls& tls, const std::string& path, Checker& checker) {
  if (!checker.expect(tls.mode() == Tls::SIMPLE || tls.mode() == Tls::MUTUAL ||
                          tls.mode() == Tls::OPTIONAL_MUTUAL,
                      path + ".mode",
                      "expected SIMPLE, MUTUAL or OPTIONAL_MUTUAL; within the mesh "
                      "PeerAuthentication says what is spoken"))
    return;
  const std::pair<const char*, bool> fields[] = {
      {".credentialName", !tls.credential_name().empty()},
      {".credentialNames", !tls.credential_names().empty()},
      {".caCertCredentialName", !tls.ca_cert_credential_name().empty()},
      {".tlsCertificates", !tls.tls_certificates().empty()},
      {".subjectAltNames", !tls.subject_alt_names().empty()}};
  for (const auto& [field, set] : fields)
    checker.expect(!set, path + field,
                   "is for a Gateway; of an ingress listener are serverCertificate, privateKey and "
                   "caCertificates");
  check_server_tls(tls, path, checker);
}

}  // namespace mesh::config
