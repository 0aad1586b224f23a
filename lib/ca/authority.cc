#include "ca/authority.h"

#include <algorithm>

#include "base/file.h"
#include "base/text.h"

namespace mesh::ca {
namespace {

using identity::Certificate;
using identity::Key;
using identity::SpiffeId;

constexpr size_t kRootBytesMax = 64 * 1024;
// For peers whose clock is a little behind ours.
constexpr std::chrono::minutes kBackdate{1};

WallTime add(WallTime time, std::chrono::seconds by) {
  return time + std::chrono::duration_cast<WallTime::duration>(by);
}

// The key comes first: a crash between the two leaves a key without a
// certificate, from which the next start goes on.
Result<Key> open_key(const std::string& path) {
  auto key = Key::load(path);
  if (key || key.error().kind != Errc::NotFound) return key;
  MESH_TRY(Key fresh, Key::generate());
  MESH_TRY_VOID(fresh.save(path));
  return fresh;
}

Result<Certificate> open_root(const std::string& path, const Key& key, const Limits& limits,
                              WallTime now) {
  MESH_TRY(const SpiffeId domain, SpiffeId::for_trust_domain(limits.trust_domain));
  auto pem = file::read(path, kRootBytesMax);
  if (!pem && pem.error().kind != Errc::NotFound) return std::move(pem).error();
  if (!pem) {
    MESH_TRY(Certificate root,
             issue_root(key, domain, {now - kBackdate, add(now, limits.root_lifetime)}));
    MESH_TRY_VOID(file::write(path, root.pem(), 0644));
    return root;
  }
  auto root = Certificate::from_pem(*pem);
  if (!root) return std::move(root).error().during(path);
  if (root->key_fingerprint() != key.fingerprint())
    return Error{Errc::Invalid, path + " is not of the key beside it"};
  const auto id = root->spiffe_id();
  if (!root->is_ca() || !id || *id != domain)
    return Error{Errc::Invalid, path + " is of " + (id ? id->uri() : "nobody") +
                                    ", but trust_domain is " + limits.trust_domain};
  if (root->not_after() <= now)
    return Error{Errc::Invalid, path + " expired " + text::format_age(now - root->not_after()) +
                                    " ago: move it and its key away for a new one"};
  return root;
}

}  // namespace

Result<Authority> Authority::open(std::string state_dir, Limits limits, WallTime now) {
  MESH_TRY(Key key, open_key(state_dir + "/root.key"));
  MESH_TRY(Certificate root, open_root(state_dir + "/root.crt", key, limits, now));
  MESH_TRY(Ledger ledger, Ledger::open(state_dir + "/ledger"));
  return Authority(std::move(limits), std::move(key), std::move(root), std::move(ledger));
}

Result<Leaf> Authority::issue(const identity::PublicKey& key, const SpiffeId& id, Holder holder,
                              WallTime now, Random& random) {
  const std::chrono::seconds life = limits_.leaf_lifetime;
  // A life of seconds must not begin long before its issue: its half would
  // have passed already.
  const auto backdate = std::min<std::chrono::seconds>(kBackdate, life / 10);
  MESH_TRY(Certificate certificate,
           issue_leaf(root_, key_, key, id, {now - backdate, add(now, life)}));
  const WallTime renew_at = renewal_time(now, certificate.not_after(), random);
  Leaf leaf{std::move(certificate), id, std::move(holder), renew_at};
  MESH_TRY_VOID(ledger_.put(leaf, add(now, -limits_.grace), limits_.leaves_max));
  return leaf;
}

const Leaf* Authority::find(std::string_view key_fingerprint, WallTime now) const {
  const Leaf* leaf = ledger_.find(key_fingerprint);
  if (leaf == nullptr || add(leaf->certificate.not_after(), limits_.grace) < now) return nullptr;
  return leaf;
}

identity::TrustBundle Authority::bundle() const {
  auto bundle = identity::TrustBundle::make(limits_.trust_domain, {root_});
  MESH_CHECK(bundle);  // open() has seen that the root is one
  return *std::move(bundle);
}

Result<void> Authority::set_limits(Limits limits) {
  if (limits.trust_domain != limits_.trust_domain)
    return Error{Errc::Invalid,
                 "trust_domain: cannot change while running, nor without a new root"};
  limits_ = std::move(limits);
  return {};
}

WallTime renewal_time(WallTime not_before, WallTime not_after, Random& random) {
  const double life = double((not_after - not_before).count());
  return not_before + WallTime::duration(int64_t(life * (0.4 + 0.2 * random.unit())));
}

}  // namespace mesh::ca
