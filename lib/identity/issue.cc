// Making certificates: issue_root(), issue_intermediate() and issue_leaf() of
// certificate.h.

#include <openssl/rand.h>

#include <array>

#include "base/text.h"
#include "identity/certificate.h"
#include "identity/namespaces.h"
#include "identity/openssl.h"

namespace mesh::identity {
namespace {

// Adds an extension in the notation of x509v3_config(5).
bool add_extension(X509* x509, X509V3_CTX* context, int nid, const std::string& value) {
  const openssl::Extension extension(X509V3_EXT_conf_nid(nullptr, context, nid, value.c_str()));
  return extension && X509_add_ext(x509, extension.get(), -1) == 1;
}

// A random positive serial of 128 bits (RFC 5280, section 4.1.2.2: at most 20
// octets; CA/Browser Forum: at least 64 bits of chance).
bool set_serial(X509* x509) {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), int(bytes.size())) != 1) return false;
  if (bytes[0] == 0) bytes[0] = 1;
  const openssl::Owner<BIGNUM, BN_free> number(BN_bin2bn(bytes.data(), int(bytes.size()), nullptr));
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(x509)) != nullptr;
}

// Whole seconds: the beginning rounded down, the end down too, so that no one
// thinks a life longer than it is.
bool set_validity(X509* x509, Validity validity) {
  using std::chrono::system_clock;
  return ASN1_TIME_set(X509_getm_notBefore(x509), system_clock::to_time_t(validity.not_before)) &&
         ASN1_TIME_set(X509_getm_notAfter(x509), system_clock::to_time_t(validity.not_after));
}

bool set_name(X509_NAME* name, int nid, std::string_view value) {
  return X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8, openssl::bytes_of(value),
                                    int(value.size()), -1, 0) == 1;
}

// The name of an issuer. Its key is part of it where several issuers live under
// one root: who looks for an issuer by name must not find another. A common name
// holds 64 characters (RFC 5280, upper bounds); the URI has all.
bool set_issuer_name(X509_NAME* name, const SpiffeId& trust_domain, std::string_view unit) {
  return set_name(name, NID_organizationName, "mesh") &&
         (unit.empty() || set_name(name, NID_organizationalUnitName, unit)) &&
         set_name(name, NID_commonName, trust_domain.trust_domain().substr(0, 64));
}

// The part of `asked` within the issuer's life.
Result<Validity> within(const Certificate& issuer, Validity asked) {
  asked.not_before = std::max(asked.not_before, issuer.not_before());
  asked.not_after = std::min(asked.not_after, issuer.not_after());
  if (asked.not_after > asked.not_before) return asked;
  return Error{Errc::Refused, "the issuing certificate ends " +
                                  text::format_time(issuer.not_after()) +
                                  ": nothing of the asked life is left"};
}

}  // namespace

Result<Certificate> issue_root(const Key& key, const SpiffeId& trust_domain, Validity validity) {
  if (!trust_domain.path().empty())
    return Error{Errc::Invalid,
                 "an issuer is named by its trust domain alone, not by " + trust_domain.uri()};
  if (validity.not_after <= validity.not_before)
    return Error{Errc::Invalid, "the root would have no life"};
  openssl::X509Owner x509(X509_new());
  if (!x509) return openssl::error(Errc::Internal, "make root certificate");
  X509V3_CTX context;
  X509V3_set_ctx(&context, x509.get(), x509.get(), nullptr, nullptr, 0);
  X509_NAME* name = X509_get_subject_name(x509.get());
  const bool done =
      X509_set_version(x509.get(), X509_VERSION_3) == 1 && set_serial(x509.get()) &&
      set_validity(x509.get(), validity) && set_issuer_name(name, trust_domain, {}) &&
      X509_set_issuer_name(x509.get(), name) == 1 &&
      X509_set_pubkey(x509.get(), key.native()) == 1 &&
      add_extension(x509.get(), &context, NID_basic_constraints, "critical,CA:TRUE,pathlen:1") &&
      add_extension(x509.get(), &context, NID_key_usage, "critical,keyCertSign,cRLSign") &&
      add_extension(x509.get(), &context, NID_subject_key_identifier, "hash") &&
      add_extension(x509.get(), &context, NID_subject_alt_name, "URI:" + trust_domain.uri()) &&
      X509_sign(x509.get(), key.native(), EVP_sha256()) > 0;
  if (!done) return openssl::error(Errc::Internal, "make root certificate");
  return Certificate::adopt(x509.release());
}

Result<Certificate> issue_intermediate(const Certificate& issuer, const Key& issuer_key,
                                       const PublicKey& subject_key,
                                       const std::vector<std::string>& namespaces,
                                       Validity validity) {
  MESH_TRY(const SpiffeId domain, issuer.spiffe_id());
  const long below = X509_get_pathlen(issuer.native());
  if (!issuer.is_ca() || below == 0)
    return Error{Errc::Refused,
                 "this issuer signs workloads only (path length 0): sign with the root, and where "
                 "that is the root, it was made before roots could sign issuers: make a new one"};
  MESH_TRY(validity, within(issuer, validity));
  MESH_TRY(const openssl::Extension bounds, namespaces_extension(namespaces));
  openssl::X509Owner x509(X509_new());
  if (!x509) return openssl::error(Errc::Internal, "make issuing certificate");
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer.native(), x509.get(), nullptr, nullptr, 0);
  const bool done =
      X509_set_version(x509.get(), X509_VERSION_3) == 1 && set_serial(x509.get()) &&
      set_validity(x509.get(), validity) &&
      set_issuer_name(X509_get_subject_name(x509.get()), domain,
                      subject_key.fingerprint().substr(0, 16)) &&
      X509_set_issuer_name(x509.get(), X509_get_subject_name(issuer.native())) == 1 &&
      X509_set_pubkey(x509.get(), subject_key.native()) == 1 &&
      add_extension(x509.get(), &context, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
      add_extension(x509.get(), &context, NID_key_usage, "critical,keyCertSign,cRLSign") &&
      add_extension(x509.get(), &context, NID_subject_key_identifier, "hash") &&
      add_extension(x509.get(), &context, NID_authority_key_identifier, "keyid:always") &&
      add_extension(x509.get(), &context, NID_subject_alt_name, "URI:" + domain.uri()) &&
      add_extension(x509.get(), &context, NID_name_constraints,
                    "critical,permitted;URI:" + std::string(domain.trust_domain())) &&
      (!bounds || X509_add_ext(x509.get(), bounds.get(), -1) == 1) &&
      X509_sign(x509.get(), issuer_key.native(), EVP_sha256()) > 0;
  if (!done) return openssl::error(Errc::Internal, "sign issuing certificate");
  return Certificate::adopt(x509.release());
}

Result<Certificate> issue_leaf(const Certificate& issuer, const Key& issuer_key,
                               const PublicKey& subject_key, const SpiffeId& id,
                               Validity validity) {
  MESH_TRY(const SpiffeId authority, issuer.spiffe_id());
  if (authority.trust_domain() != id.trust_domain() || id.path().empty())
    return Error{Errc::Refused, id.uri() + " is no workload of " + authority.uri()};
  if (!may_name(issuer, id))
    return Error{Errc::Refused, "the issuing certificate of this host may not name " + id.uri() +
                                    ": it is bounded to other namespaces"};
  MESH_TRY(validity, within(issuer, validity));
  openssl::X509Owner x509(X509_new());
  if (!x509) return openssl::error(Errc::Internal, "make certificate");
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer.native(), x509.get(), nullptr, nullptr, 0);
  // The subject is empty, so the names must be critical (RFC 5280, 4.2.1.6).
  const bool done =
      X509_set_version(x509.get(), X509_VERSION_3) == 1 && set_serial(x509.get()) &&
      set_validity(x509.get(), validity) &&
      X509_set_issuer_name(x509.get(), X509_get_subject_name(issuer.native())) == 1 &&
      X509_set_pubkey(x509.get(), subject_key.native()) == 1 &&
      add_extension(x509.get(), &context, NID_basic_constraints, "critical,CA:FALSE") &&
      add_extension(x509.get(), &context, NID_key_usage, "critical,digitalSignature") &&
      add_extension(x509.get(), &context, NID_ext_key_usage, "serverAuth,clientAuth") &&
      add_extension(x509.get(), &context, NID_subject_key_identifier, "hash") &&
      add_extension(x509.get(), &context, NID_authority_key_identifier, "keyid:always") &&
      add_extension(x509.get(), &context, NID_subject_alt_name, "critical,URI:" + id.uri()) &&
      X509_sign(x509.get(), issuer_key.native(), EVP_sha256()) > 0;
  if (!done) return openssl::error(Errc::Internal, "sign certificate");
  return Certificate::adopt(x509.release());
}

}  // namespace mesh::identity
