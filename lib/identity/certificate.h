// Certificate: one X.509 certificate, parsed once, with what the mesh reads.
//
// Value; copies share the immutable certificate. Any thread.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "identity/key.h"
#include "identity/spiffe_id.h"

struct x509_st;

namespace mesh::identity {

class Certificate {
 public:
  static constexpr size_t kBytesMax = 64 * 1024;

  // Exactly one DER certificate. Errc::TooBig over kBytesMax.
  static Result<Certificate> from_der(std::string_view der);
  // Exactly one PEM block.
  static Result<Certificate> from_pem(std::string_view pem);
  // Adopts a reference to an OpenSSL certificate. For this module and lib/tls.
  static Result<Certificate> adopt(x509_st* certificate);

  const std::string& der() const { return facts_->der; }
  std::string pem() const;
  // SHA-256 of der(), hexadecimal.
  const std::string& fingerprint() const { return facts_->fingerprint; }
  // SHA-256 of the public key, as PublicKey::fingerprint(). Any algorithm.
  const std::string& key_fingerprint() const { return facts_->key_fingerprint; }
  // Lower-case hexadecimal, no leading zeroes.
  const std::string& serial() const { return facts_->serial; }
  // RFC 2253 text, for people.
  const std::string& subject() const { return facts_->subject; }
  const std::string& issuer() const { return facts_->issuer; }
  bool is_ca() const { return facts_->is_ca; }
  WallTime not_before() const { return facts_->not_before; }
  WallTime not_after() const { return facts_->not_after; }
  Duration remaining(WallTime now) const { return not_after() - now; }

  const std::vector<std::string>& uri_sans() const { return facts_->uri_sans; }
  const std::vector<std::string>& dns_sans() const { return facts_->dns_sans; }

  // Whose workloads an issuing certificate may name: the namespaces that
  // issue_intermediate() was given; none: all of its trust domain.
  const std::optional<std::vector<std::string>>& namespaces() const { return facts_->namespaces; }
  // Signed by its own key: a root.
  bool is_self_signed() const { return facts_->self_signed; }

  // The identity of an X.509-SVID: exactly one URI SAN, a SPIFFE ID
  // (X509-SVID standard, section 2). Errc::Invalid otherwise.
  Result<SpiffeId> spiffe_id() const;

  // Errc::Invalid where it is no P-256 key.
  Result<PublicKey> public_key() const;

  x509_st* native() const { return native_.get(); }

 private:
  struct Facts {
    std::string der, fingerprint, key_fingerprint, serial, subject, issuer;
    WallTime not_before, not_after;
    std::vector<std::string> uri_sans, dns_sans;
    std::optional<std::vector<std::string>> namespaces;
    bool is_ca = false;
    bool self_signed = false;
  };
  static Result<Facts> read(x509_st* x509);

  std::shared_ptr<x509_st> native_;
  std::shared_ptr<const Facts> facts_;
};

// All certificates of a PEM text, in order; other kinds of blocks are refused.
// Errc::Invalid when there is none, Errc::TooBig over 64 certificates.
Result<std::vector<Certificate>> certificates_from_pem(std::string_view pem);
std::string to_pem(std::span<const Certificate> certificates);

// A wall clock time and the nearest whole second that X.509 can say.
struct Validity {
  WallTime not_before;
  WallTime not_after;
};

// A self-signed issuing certificate for a trust domain: CA:TRUE, pathlen 1 (it
// signs workloads, and issuers that sign workloads), keyCertSign and cRLSign, one
// URI SAN spiffe://TRUST-DOMAIN.
Result<Certificate> issue_root(const Key& key, const SpiffeId& trust_domain, Validity validity);

// An issuing certificate below `issuer`, for another host: CA:TRUE, pathlen 0,
// name constraints (RFC 5280, section 4.2.1.10) to the issuer's trust domain,
// and, unless `namespaces` is empty, to the workloads of these: 1 to 64, in an
// extension of our own that is not critical. check_bounds() of trust_bundle.h
// obeys it; who does not know it sees the trust domain as the bound. Its life is
// cut to the issuer's. Errc::Refused when the issuer may not sign issuers.
Result<Certificate> issue_intermediate(const Certificate& issuer, const Key& issuer_key,
                                       const PublicKey& subject_key,
                                       const std::vector<std::string>& namespaces,
                                       Validity validity);

// An X.509-SVID for `subject_key`: exactly one URI SAN, CA:FALSE,
// digitalSignature, serverAuth and clientAuth, a random serial of 128 bits.
// Its life is cut to the issuer's; Errc::Refused when nothing of it is left,
// or when `id` is not a workload of the issuer's trust domain.
Result<Certificate> issue_leaf(const Certificate& issuer, const Key& issuer_key,
                               const PublicKey& subject_key, const SpiffeId& id, Validity validity);

}  // namespace mesh::identity
