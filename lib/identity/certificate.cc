#include "identity/certificate.h"

#include <openssl/pem.h>

#include <ctime>

#include "base/text.h"
#include "identity/digest.h"
#include "identity/namespaces.h"
#include "identity/openssl.h"

namespace mesh::identity {
namespace {

constexpr size_t kCertificatesMax = 64;
constexpr int kSansMax = 256;

std::string name_text(const X509_NAME* name) {
  const openssl::Bio bio(BIO_new(BIO_s_mem()));
  if (!bio || X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253) < 0) return {};
  return openssl::collected(bio.get());
}

Result<WallTime> time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1)
    return openssl::error(Errc::Invalid, "certificate: its time");
  return std::chrono::system_clock::from_time_t(::timegm(&parts));
}

std::string serial_text(const ASN1_INTEGER* serial) {
  std::string hex = text::to_hex({reinterpret_cast<const char*>(ASN1_STRING_get0_data(serial)),
                                  size_t(ASN1_STRING_length(serial))});
  const size_t significant = hex.find_first_not_of('0');
  return significant == std::string::npos ? "0" : hex.substr(significant);
}

Result<void> read_sans(X509* x509, std::vector<std::string>& uris, std::vector<std::string>& dns) {
  int critical = -1;
  const openssl::Names names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(x509, NID_subject_alt_name, &critical, nullptr)));
  if (!names) {
    ERR_clear_error();
    if (critical == -1) return {};  // there is none
    return Error{Errc::Invalid, "certificate: its subject alternative names cannot be read"};
  }
  const int count = sk_GENERAL_NAME_num(names.get());
  if (count > kSansMax) return Error{Errc::TooBig, "certificate: over 256 alternative names"};
  for (int i = 0; i < count; ++i) {
    int type = 0;
    const auto* value = static_cast<const ASN1_STRING*>(
        GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &type));
    if (type != GEN_URI && type != GEN_DNS) continue;
    const std::string text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                           size_t(ASN1_STRING_length(value)));
    // A NUL in a name means one thing to C and another to everybody else.
    if (text.find('\0') != std::string::npos)
      return Error{Errc::Invalid, "certificate: a NUL in an alternative name"};
    (type == GEN_URI ? uris : dns).push_back(text);
  }
  return {};
}

}  // namespace

Result<Certificate::Facts> Certificate::read(x509_st* x509) {
  Facts facts;
  facts.der = openssl::to_der(x509, i2d_X509);
  if (facts.der.empty()) return openssl::error(Errc::Invalid, "certificate");
  facts.fingerprint = text::to_hex(sha256(facts.der));
  const std::string spki = openssl::to_der(X509_get_X509_PUBKEY(x509), i2d_X509_PUBKEY);
  facts.key_fingerprint = text::to_hex(sha256(spki));
  facts.serial = serial_text(X509_get0_serialNumber(x509));
  facts.subject = name_text(X509_get_subject_name(x509));
  facts.issuer = name_text(X509_get_issuer_name(x509));
  facts.is_ca = X509_check_ca(x509) == 1;
  facts.self_signed = X509_self_signed(x509, 1) == 1;
  MESH_TRY(facts.namespaces, read_namespaces(x509));
  MESH_TRY(facts.not_before, time_of(X509_get0_notBefore(x509)));
  MESH_TRY(facts.not_after, time_of(X509_get0_notAfter(x509)));
  MESH_TRY_VOID(read_sans(x509, facts.uri_sans, facts.dns_sans));
  ERR_clear_error();
  return facts;
}

Result<Certificate> Certificate::adopt(x509_st* certificate) {
  std::shared_ptr<x509_st> owned(certificate, X509_free);
  if (certificate == nullptr) return openssl::error(Errc::Invalid, "certificate");
  MESH_TRY(Facts facts, read(certificate));
  Certificate out;
  out.native_ = std::move(owned);
  out.facts_ = std::make_shared<const Facts>(std::move(facts));
  return out;
}

Result<Certificate> Certificate::from_der(std::string_view der) {
  if (der.size() > kBytesMax) return Error{Errc::TooBig, "certificate is over 64 KiB"};
  const unsigned char* at = openssl::bytes_of(der);
  openssl::X509Owner x509(d2i_X509(nullptr, &at, long(der.size())));
  if (!x509) return openssl::error(Errc::Invalid, "certificate is not X.509");
  if (at != openssl::bytes_of(der) + der.size() || openssl::to_der(x509.get(), i2d_X509) != der)
    return Error{Errc::Invalid, "certificate is not exactly one DER object"};
  return adopt(x509.release());
}

Result<Certificate> Certificate::from_pem(std::string_view pem) {
  MESH_TRY(auto all, certificates_from_pem(pem));
  if (all.size() != 1) return Error{Errc::Invalid, "expected one certificate"};
  return std::move(all.front());
}

std::string Certificate::pem() const { return to_pem({this, 1}); }

Result<SpiffeId> Certificate::spiffe_id() const {
  if (uri_sans().size() != 1)
    return Error{Errc::Invalid, "certificate has " + std::to_string(uri_sans().size()) +
                                    " URI names, an X.509-SVID has exactly one"};
  return SpiffeId::parse(uri_sans().front());
}

Result<PublicKey> Certificate::public_key() const {
  return PublicKey::adopt(X509_get_pubkey(native()));
}

Result<std::vector<Certificate>> certificates_from_pem(std::string_view pem) {
  if (pem.size() > kCertificatesMax * Certificate::kBytesMax)
    return Error{Errc::TooBig, "certificates are over 4 MiB"};
  const openssl::Bio bio = openssl::reader(pem);
  std::vector<Certificate> all;
  for (;;) {
    char* name = nullptr;
    char* header = nullptr;
    unsigned char* data = nullptr;
    long size = 0;
    if (!bio || PEM_read_bio(bio.get(), &name, &header, &data, &size) != 1) break;
    const std::string kind(name);
    const std::string der(reinterpret_cast<char*>(data), size_t(size));
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
    if (kind != PEM_STRING_X509)
      return Error{Errc::Invalid,
                   "expected a certificate, got a PEM block of " + text::quoted(kind)};
    if (all.size() == kCertificatesMax) return Error{Errc::TooBig, "over 64 certificates"};
    MESH_TRY(Certificate one, Certificate::from_der(der));
    all.push_back(std::move(one));
  }
  // The only good end is that no further block begins.
  const unsigned long code = ERR_peek_last_error();
  if (ERR_GET_LIB(code) != ERR_LIB_PEM || ERR_GET_REASON(code) != PEM_R_NO_START_LINE)
    return openssl::error(Errc::Invalid, "certificates are not PEM");
  ERR_clear_error();
  if (all.empty()) return Error{Errc::Invalid, "no certificate in PEM text"};
  return all;
}

std::string to_pem(std::span<const Certificate> certificates) {
  const openssl::Bio bio(BIO_new(BIO_s_mem()));
  for (const Certificate& one : certificates)
    MESH_CHECK(bio && PEM_write_bio_X509(bio.get(), one.native()) == 1);
  return openssl::collected(bio.get());
}

}  // namespace mesh::identity
