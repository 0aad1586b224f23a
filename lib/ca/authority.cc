#include "ca/authority.h"

#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "base/text.h"

namespace mesh::ca {
namespace {

using identity::Certificate;
using identity::Key;
using identity::SpiffeId;

constexpr size_t kPemBytesMax = 1024 * 1024;
constexpr size_t kChainMax = 4;
// For peers whose clock is a little behind ours.
constexpr std::chrono::minutes kBackdate{1};

WallTime add(WallTime time, std::chrono::seconds by) {
  return time + std::chrono::duration_cast<WallTime::duration>(by);
}

Error waiting() {
  return Error{
      Errc::Unavailable,
      "this host's issuer is not signed yet: mesh cert request --host | ssh ROOT-HOST mesh "
      "cert sign - | mesh cert install -"};
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

Result<std::vector<Certificate>> read_certificates(const std::string& path) {
  MESH_TRY(const std::string pem, file::read(path, kPemBytesMax));
  auto all = identity::certificates_from_pem(pem);
  if (!all) return std::move(all).error().during(path);
  return all;
}

Result<void> refuse_other(const std::string& path, std::string_view why) {
  if (::access(path.c_str(), F_OK) != 0) return {};
  return Error{Errc::Invalid, path + " is there, but " + std::string(why)};
}

}  // namespace

Result<void> check_issuer(const identity::PublicKey& key, const std::string& trust_domain,
                          const std::vector<Certificate>& chain,
                          const std::vector<Certificate>& roots, WallTime now) {
  if (chain.empty()) return Error{Errc::Invalid, "no issuing certificate below a root in it"};
  if (chain.size() > kChainMax) return Error{Errc::TooBig, "over 4 certificates below the root"};
  if (roots.empty()) return Error{Errc::Invalid, "no root certificate in it"};
  if (chain.front().key_fingerprint() != key.fingerprint())
    return Error{Errc::Invalid,
                 "it is for another key than this host's: send the request that "
                 "\"mesh cert request --host\" prints here"};
  MESH_TRY(const auto bundle, identity::TrustBundle::make(trust_domain, roots));
  auto verified = bundle.verify_issuer(chain, now);
  if (!verified) return Error{Errc::Invalid, verified.error().text};
  return {};
}

Result<void> Authority::open_root(WallTime now) {
  MESH_TRY(const SpiffeId domain, SpiffeId::for_trust_domain(limits_.trust_domain));
  const std::string path = state_dir_ + "/root.crt";
  auto read = read_certificates(path);
  if (!read && read.error().kind != Errc::NotFound) return std::move(read).error();
  if (!read) {
    MESH_TRY(
        Certificate fresh,
        identity::issue_root(key_, domain, {now - kBackdate, add(now, limits_.root_lifetime)}));
    MESH_TRY_VOID(file::write(path, fresh.pem(), 0644));
    roots_ = chain_ = {std::move(fresh)};
    return {};
  }
  const Certificate& root = read->front();
  if (read->size() != 1 || root.key_fingerprint() != key_.fingerprint())
    return Error{Errc::Invalid, path + " is not of the key beside it"};
  const auto id = root.spiffe_id();
  if (!root.is_ca() || !id || *id != domain)
    return Error{Errc::Invalid, path + " is of " + (id ? id->uri() : "nobody") +
                                    ", but trust_domain is " + limits_.trust_domain};
  if (root.not_after() <= now)
    return Error{Errc::Invalid, path + " expired " + text::format_age(now - root.not_after()) +
                                    " ago: move it and its key away for a new one"};
  roots_ = chain_ = *std::move(read);
  return {};
}

// The roots are written first: a crash between the two leaves an issuer that waits.
Result<void> Authority::open_issuer(WallTime now) {
  const std::string path = state_dir_ + "/issuer.crt";
  auto chain = read_certificates(path);
  if (!chain && chain.error().kind == Errc::NotFound) return {};
  if (!chain) return std::move(chain).error();
  MESH_TRY(auto roots, read_certificates(state_dir_ + "/roots.crt"));
  // One that has ended is kept and shown: leaves cannot be signed, but who trusts
  // what is still known.
  const WallTime then = std::min(now, chain->front().not_after() - std::chrono::seconds(1));
  if (auto good = check_issuer(key_.public_key(), limits_.trust_domain, *chain, roots, then); !good)
    return std::move(good).error().during(path);
  chain_ = *std::move(chain);
  roots_ = std::move(roots);
  return {};
}

Result<Authority> Authority::open(std::string state_dir, Limits limits, WallTime now) {
  MESH_TRY_VOID(
      limits.intermediate
          ? refuse_other(state_dir + "/root.key",
                         "authority is intermediate: move root.key, root.crt and ledger away")
          : refuse_other(state_dir + "/issuer.key",
                         "authority is root: move issuer.key, issuer.crt, roots.crt and ledger "
                         "away, or set authority: intermediate"));
  MESH_TRY(Key key, open_key(state_dir + (limits.intermediate ? "/issuer.key" : "/root.key")));
  MESH_TRY(Ledger ledger, Ledger::open(state_dir + "/ledger"));
  Authority authority(std::move(state_dir), std::move(limits), std::move(key), std::move(ledger));
  MESH_TRY_VOID(authority.limits_.intermediate ? authority.open_issuer(now)
                                               : authority.open_root(now));
  return authority;
}

std::optional<identity::TrustBundle> Authority::bundle() const {
  if (roots_.empty()) return std::nullopt;
  auto bundle = identity::TrustBundle::make(limits_.trust_domain, roots_);
  MESH_CHECK(bundle);  // open() and install() have seen that they are roots
  return *std::move(bundle);
}

std::vector<Certificate> Authority::chain(const Leaf& leaf) const {
  std::vector<Certificate> all{leaf.certificate};
  if (limits_.intermediate && is_ours(leaf)) all.insert(all.end(), chain_.begin(), chain_.end());
  return all;
}

bool Authority::is_ours(const Leaf& leaf) const {
  const Certificate* const by = issuer();
  return by != nullptr && leaf.certificate.issuer() == by->subject() &&
         leaf.certificate.not_after() <= by->not_after();
}

Result<std::string> Authority::request() const {
  if (limits_.intermediate) return identity::Csr::create(key_);
  return Error{Errc::Invalid,
               "this certd is the root of " + limits_.trust_domain +
                   ": for an issuer below another host's set authority: intermediate"};
}

Result<void> Authority::install(std::vector<Certificate> chain, std::vector<Certificate> roots,
                                WallTime now) {
  if (!limits_.intermediate) return request().error();
  MESH_TRY_VOID(check_issuer(key_.public_key(), limits_.trust_domain, chain, roots, now));
  MESH_TRY_VOID(file::write(state_dir_ + "/roots.crt", identity::to_pem(roots), 0644));
  MESH_TRY_VOID(file::write(state_dir_ + "/issuer.crt", identity::to_pem(chain), 0644));
  chain_ = std::move(chain);
  roots_ = std::move(roots);
  return {};
}

Result<std::vector<Certificate>> Authority::sign_issuer(const identity::PublicKey& key,
                                                        const std::vector<std::string>& namespaces,
                                                        std::chrono::seconds life,
                                                        WallTime now) const {
  if (issuer() == nullptr) return waiting();
  MESH_TRY(Certificate signed_one, identity::issue_intermediate(*issuer(), key_, key, namespaces,
                                                                {now - kBackdate, add(now, life)}));
  std::vector<Certificate> all{std::move(signed_one)};
  if (limits_.intermediate) all.insert(all.end(), chain_.begin(), chain_.end());
  return all;
}

Result<Leaf> Authority::issue(const identity::PublicKey& key, const SpiffeId& id, Holder holder,
                              WallTime now, Random& random) {
  const std::chrono::seconds life = limits_.leaf_lifetime;
  // A life of seconds must not begin long before its issue: its half would
  // have passed already.
  const auto backdate = std::min<std::chrono::seconds>(kBackdate, life / 10);
  if (issuer() == nullptr) return waiting();
  MESH_TRY(Certificate certificate,
           issue_leaf(*issuer(), key_, key, id, {now - backdate, add(now, life)}));
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

Result<void> Authority::set_limits(Limits limits) {
  if (limits.trust_domain != limits_.trust_domain)
    return Error{Errc::Invalid,
                 "trust_domain: cannot change while running, nor without a new root"};
  if (limits.intermediate != limits_.intermediate)
    return Error{Errc::Invalid, "authority: cannot change while running"};
  limits_ = std::move(limits);
  return {};
}

WallTime renewal_time(WallTime not_before, WallTime not_after, Random& random) {
  const double life = double((not_after - not_before).count());
  return not_before + WallTime::duration(int64_t(life * (0.4 + 0.2 * random.unit())));
}

}  // namespace mesh::ca
