// Authority: the issuing key, and what it has signed.
//
// It is the root of its trust domain, or an issuer below another host's root. The
// root keeps in its state directory root.key (0600) and root.crt; an issuer keeps
// issuer.key (0600), issuer.crt (its chain, its own certificate first) and roots.crt,
// and signs nothing before it was given the latter two. Both keep the ledger. Every
// file is written whole, synced and renamed, so a crash at any moment leaves the old
// or the new. A leaf is in the ledger before anyone gets to see it. Time and chance
// are arguments. One thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "ca/ledger.h"
#include "identity/certificate.h"
#include "identity/csr.h"
#include "identity/key.h"
#include "identity/spiffe_id.h"
#include "identity/trust_bundle.h"

namespace mesh::ca {

struct Limits {
  std::string trust_domain = "cluster.local";
  bool intermediate = false;  // below another host's root; fixed with the first start
  std::chrono::seconds leaf_lifetime{24 * 3600};          // Istio's default
  std::chrono::seconds root_lifetime{10 * 365 * 86400L};  // Istio's default
  std::chrono::seconds grace{7 * 86400};  // how long after its end a leaf's key may still renew
  size_t leaves_max = 4096;               // keys in the ledger
};

class Authority {
 public:
  // Opens the state directory (which exists, 0700), and makes what is missing: the
  // root's key and certificate, or the issuer's key alone. Errc::Invalid when what is
  // on disk is not of the trust domain in `limits`, of the other sort (root or
  // issuer), or certificate and key differ.
  static Result<Authority> open(std::string state_dir, Limits limits, WallTime now);

  // The certificate that signs; null: an issuer that waits for its own.
  const identity::Certificate* issuer() const { return chain_.empty() ? nullptr : &chain_.front(); }
  // What peers trust; none as long as an issuer waits.
  std::optional<identity::TrustBundle> bundle() const;

  // Signs `key` for `id`, remembers it, and returns what is now in the ledger.
  // The life is limits.leaf_lifetime, never past the issuer's end.
  // Errc::TooBig when the ledger is full of living leaves, Errc::Unavailable while
  // the issuer waits for its certificate, Errc::Refused out of the issuer's bounds.
  Result<Leaf> issue(const identity::PublicKey& key, const identity::SpiffeId& id, Holder holder,
                     WallTime now, Random& random);

  // The ledger's word on a key, unless its grace is over.
  const Leaf* find(std::string_view key_fingerprint, WallTime now) const;
  const Ledger& ledger() const { return ledger_; }

  // The signed chain of a leaf, leaf first, without the root.
  std::vector<identity::Certificate> chain(const Leaf& leaf) const;
  // False where the leaf was signed by an earlier issuer than the present one.
  bool is_ours(const Leaf& leaf) const;

  // The request to sign this issuer's key, DER. Errc::Invalid for a root.
  Result<std::string> request() const;
  // Takes the answer: the chain for our key, our own first, without roots; and the
  // roots. Errc::Invalid where it is not for this key, this trust domain or not
  // verified by the roots; then nothing has changed.
  Result<void> install(std::vector<identity::Certificate> chain,
                       std::vector<identity::Certificate> roots, WallTime now);

  // Signs another host's issuing key: the chain for its install(), without roots.
  // `namespaces` bound what it may name; none: all of the trust domain.
  Result<std::vector<identity::Certificate>> sign_issuer(const identity::PublicKey& key,
                                                         const std::vector<std::string>& namespaces,
                                                         std::chrono::seconds life,
                                                         WallTime now) const;

  const Limits& limits() const { return limits_; }
  // What may change while we run: lifetimes, grace, bound. Errc::Invalid when
  // the trust domain differs, or the sort: that is another authority.
  Result<void> set_limits(Limits limits);

 private:
  Authority(std::string state_dir, Limits limits, identity::Key key, Ledger ledger)
      : state_dir_(std::move(state_dir)),
        limits_(std::move(limits)),
        key_(std::move(key)),
        ledger_(std::move(ledger)) {}

  Result<void> open_root(WallTime now);
  Result<void> open_issuer(WallTime now);

  std::string state_dir_;
  Limits limits_;
  identity::Key key_;
  Ledger ledger_;
  std::vector<identity::Certificate> chain_;  // what signs first; a root: itself alone
  std::vector<identity::Certificate> roots_;
};

// What a chain and roots must be to sign for `key` in a trust domain, at `now`;
// Errc::Invalid with one sentence.
Result<void> check_issuer(const identity::PublicKey& key, const std::string& trust_domain,
                          const std::vector<identity::Certificate>& chain,
                          const std::vector<identity::Certificate>& roots, WallTime now);

// When to renew a leaf of this validity: half of its life, 10% earlier to
// later by chance, so that what began together does not renew together (Istio:
// SECRET_GRACE_PERIOD_RATIO 0.5, jitter).
WallTime renewal_time(WallTime not_before, WallTime not_after, Random& random);

}  // namespace mesh::ca
