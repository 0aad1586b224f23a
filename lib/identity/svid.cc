#include "identity/svid.h"

namespace mesh::identity {
namespace {
constexpr size_t kChainMax = 8;
}

Result<Svid> Svid::make(Key key, std::vector<Certificate> chain) {
  if (chain.empty()) return Error{Errc::Invalid, "certificate chain is empty"};
  if (chain.size() > kChainMax) return Error{Errc::Invalid, "certificate chain is over 8 long"};
  MESH_TRY(SpiffeId id, chain.front().spiffe_id());
  if (id.path().empty()) return Error{Errc::Invalid, id.uri() + " names no workload"};
  if (chain.front().key_fingerprint() != key.fingerprint())
    return Error{Errc::Invalid, "certificate of " + id.uri() + " is for another key"};
  return Svid(std::move(id), std::move(key), std::move(chain));
}

}  // namespace mesh::identity
