// Authority: the issuing key, and what it has signed.
//
// Keeps in its state directory: root.key (0600), root.crt, ledger. Every file
// is written whole, synced and renamed, so a crash at any moment leaves the
// old or the new. A leaf is in the ledger before anyone gets to see it. Time
// and chance are arguments. One thread.
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
  std::chrono::seconds leaf_lifetime{24 * 3600};          // Istio's default
  std::chrono::seconds root_lifetime{10 * 365 * 86400L};  // Istio's default
  std::chrono::seconds grace{7 * 86400};  // how long after its end a leaf's key may still renew
  size_t leaves_max = 4096;               // keys in the ledger
};

class Authority {
 public:
  // Opens the state directory (which exists, 0700), and makes root key and
  // certificate when there are none. Errc::Invalid when the root on disk is
  // not of the trust domain in `limits`, or key and certificate differ.
  static Result<Authority> open(std::string state_dir, Limits limits, WallTime now);

  // Signs `key` for `id`, remembers it, and returns what is now in the ledger.
  // The life is limits.leaf_lifetime, never past the root's end.
  // Errc::TooBig when the ledger is full of living leaves.
  Result<Leaf> issue(const identity::PublicKey& key, const identity::SpiffeId& id, Holder holder,
                     WallTime now, Random& random);

  // The ledger's word on a key, unless its grace is over.
  const Leaf* find(std::string_view key_fingerprint, WallTime now) const;
  const Ledger& ledger() const { return ledger_; }

  // The signed chain of a leaf, leaf first, without the root.
  std::vector<identity::Certificate> chain(const Leaf& leaf) const { return {leaf.certificate}; }
  identity::TrustBundle bundle() const;
  const identity::Certificate& root() const { return root_; }

  const Limits& limits() const { return limits_; }
  // What may change while we run: lifetimes, grace, bound. Errc::Invalid when
  // the trust domain differs: that is another authority.
  Result<void> set_limits(Limits limits);

 private:
  Authority(Limits limits, identity::Key key, identity::Certificate root, Ledger ledger)
      : limits_(std::move(limits)),
        key_(std::move(key)),
        root_(std::move(root)),
        ledger_(std::move(ledger)) {}

  Limits limits_;
  identity::Key key_;
  identity::Certificate root_;
  Ledger ledger_;
};

// When to renew a leaf of this validity: half of its life, 10% earlier to
// later by chance, so that what began together does not renew together (Istio:
// SECRET_GRACE_PERIOD_RATIO 0.5, jitter).
WallTime renewal_time(WallTime not_before, WallTime not_after, Random& random);

}  // namespace mesh::ca
