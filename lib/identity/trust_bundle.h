// TrustBundle: the issuing certificates of one trust domain, and the judgement
// on a chain by them.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "identity/certificate.h"
#include "identity/spiffe_id.h"

namespace mesh::identity {

class TrustBundle {
 public:
  static constexpr size_t kRootsMax = 16;

  // 1 to kRootsMax issuing certificates; Errc::Invalid when one is not CA:TRUE.
  static Result<TrustBundle> make(std::string trust_domain, std::vector<Certificate> roots);

  const std::string& trust_domain() const { return trust_domain_; }
  const std::vector<Certificate>& roots() const { return roots_; }
  std::string pem() const { return to_pem(roots_); }

  // Who the chain (leaf first) is, at time `now`: signed by a root of ours,
  // in time, a leaf for TLS, its identity within our trust domain
  // (X509-SVID standard, section 5). Otherwise Errc::Refused and one sentence
  // for people: "certificate of spiffe://... expired 3m ago".
  Result<SpiffeId> verify(std::span<const Certificate> chain, WallTime now) const;

  // Whether the chain (the issuer's own first, without the root) is of an issuing
  // certificate of our trust domain below a root of ours; errors as verify().
  Result<void> verify_issuer(std::span<const Certificate> chain, WallTime now) const;

 private:
  TrustBundle(std::string trust_domain, std::vector<Certificate> roots)
      : trust_domain_(std::move(trust_domain)), roots_(std::move(roots)) {}
  std::string trust_domain_;
  std::vector<Certificate> roots_;
};

// One sentence for an OpenSSL verification error (X509_V_ERR_*) at
// `certificate`, which may be null, judged at `now`.
std::string explain_verify_error(int error, x509_st* certificate, WallTime now);

}  // namespace mesh::identity
