// Svid: an identity in use: the private key, and the chain that names it.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "identity/certificate.h"
#include "identity/key.h"
#include "identity/spiffe_id.h"

namespace mesh::identity {

class Svid {
 public:
  // `chain` is leaf first, without the root. Errc::Invalid when it is empty,
  // over 8 long, not for `key`, or its leaf has no SPIFFE identity.
  static Result<Svid> make(Key key, std::vector<Certificate> chain);

  const SpiffeId& id() const { return id_; }
  const Key& key() const { return key_; }
  const std::vector<Certificate>& chain() const { return chain_; }
  const Certificate& leaf() const { return chain_.front(); }

 private:
  Svid(SpiffeId id, Key key, std::vector<Certificate> chain)
      : id_(std::move(id)), key_(std::move(key)), chain_(std::move(chain)) {}
  SpiffeId id_;
  Key key_;
  std::vector<Certificate> chain_;
};

}  // namespace mesh::identity
