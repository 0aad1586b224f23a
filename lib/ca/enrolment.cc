#include "ca/enrolment.h"

namespace mesh::ca {
namespace {

// Whether the leaf of `key` speaks for this uid without a token. Where a rule
// gave the identity, the rule must still stand: then it has decided already.
const Leaf* leaf_for(const Authority& authority, const std::string& key, uint32_t uid,
                     WallTime now) {
  const Leaf* leaf = authority.find(key, now);
  if (leaf == nullptr || leaf->holder.uid != uid || leaf->holder.ground != Ground::Token)
    return nullptr;
  return leaf;
}

}  // namespace

Result<Decision> decide(const identity::Csr& csr, const Evidence& evidence,
                        const Authority& authority, const Policy& policy, const Tokens& tokens,
                        WallTime now) {
  // A request can be recorded and sent again by another user: it must not take
  // over the name under which the first one renews.
  if (const Leaf* known = authority.find(csr.key().fingerprint(), now);
      known != nullptr && known->holder.uid != evidence.uid)
    return Error{Errc::Refused, "this key was enrolled by another user"};
  std::optional<Error> token_error;
  if (!evidence.token.empty()) {
    auto grant = tokens.find(evidence.token);
    if (grant) {
      identity::SpiffeId id = grant->id;
      return Decision{std::move(id), Ground::Token, *std::move(grant)};
    }
    // A used token is no obstacle to who needs none any more: a workload
    // starts each time with the same settings.
    token_error = std::move(grant).error();
  }
  auto by_rule = policy.identify(evidence.uid);
  if (by_rule) return Decision{*std::move(by_rule), Ground::Rule, std::nullopt};

  if (const Leaf* own = leaf_for(authority, csr.key().fingerprint(), evidence.uid, now))
    return Decision{own->id, Ground::Token, std::nullopt};
  if (!evidence.former_key.empty()) {
    const Leaf* former = leaf_for(authority, evidence.former_key, evidence.uid, now);
    if (former != nullptr) {
      MESH_TRY(const identity::PublicKey key, former->certificate.public_key());
      if (!key.verify(csr.der(), evidence.former_signature))
        return Error{Errc::Invalid, "the former key has not signed this request"};
      return Decision{former->id, Ground::Token, std::nullopt};
    }
  }
  return token_error ? *std::move(token_error) : std::move(by_rule).error();
}

}  // namespace mesh::ca
