#include "tls/own_certificates.h"

#include <openssl/ssl.h>

#include <utility>

namespace mesh::tls {
namespace {

namespace openssl = identity::openssl;

std::string common_name(X509* certificate) {
  char text[256];
  const int size = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName,
                                             text, sizeof text);
  return size > 0 ? std::string(text, size_t(size)) : std::string();
}

// RFC 6125, section 6.4.4: the common name counts only without alternative names.
CertificateChoice::Facts facts_of(const OwnCertificates::One& one) {
  const identity::Certificate& leaf = one.chain.front();
  CertificateChoice::Facts facts{leaf.dns_sans(), EVP_PKEY_is_a(one.key.get(), "EC") == 1};
  if (X509_get_ext_by_NID(leaf.native(), NID_subject_alt_name, -1) >= 0) return facts;
  if (std::string name = common_name(leaf.native()); !name.empty())
    facts.names.push_back(std::move(name));
  return facts;
}

bool give(SSL* ssl, const OwnCertificates::One& one) {
  const openssl::CertificateStack rest(sk_X509_new_null());
  if (!rest) return false;
  for (size_t i = 1; i < one.chain.size(); ++i)
    if (sk_X509_push(rest.get(), one.chain[i].native()) == 0) return false;
  return SSL_use_cert_and_key(ssl, one.chain.front().native(), one.key.get(), rest.get(), 1) == 1;
}

}  // namespace

Result<OwnCertificates> OwnCertificates::make(std::vector<One> certificates, bool full_scan) {
  std::vector<CertificateChoice::Facts> facts;
  for (const One& one : certificates) {
    if (X509_check_private_key(one.chain.front().native(), one.key.get()) != 1)
      return openssl::error(Errc::Invalid, "private key does not belong to the certificate");
    facts.push_back(facts_of(one));
  }
  return OwnCertificates(std::move(certificates), CertificateChoice(facts, full_scan));
}

bool OwnCertificates::show(ssl_st* ssl, std::string_view name) const {
  const CertificateChoice::Offer offer = choice_.choose(name);
  SSL_certs_clear(ssl);
  for (const auto& place : {offer.ecdsa, offer.other})
    if (place && !give(ssl, list_[*place])) return false;
  return true;
}

}  // namespace mesh::tls
