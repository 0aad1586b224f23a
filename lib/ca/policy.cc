#include "ca/policy.h"

namespace mesh::ca {

Result<void> Policy::add(uint32_t uid, std::string_view ns, std::string_view service_account) {
  MESH_TRY(identity::SpiffeId id,
           identity::SpiffeId::for_workload(trust_domain_, ns, service_account));
  const auto [at, fresh] = rules_.emplace(uid, std::move(id));
  if (!fresh)
    return Error{Errc::Invalid,
                 "uid " + std::to_string(uid) + " has an identity already, " + at->second.uri()};
  return {};
}

Result<identity::SpiffeId> Policy::identify(uint32_t uid) const {
  const auto at = rules_.find(uid);
  if (at != rules_.end()) return at->second;
  const std::string number = std::to_string(uid);
  return Error{Errc::Refused, "no identity for uid " + number +
                                  ": add \"identities: [{uid: " + number +
                                  ", namespace: NS, service_account: SA}]\" to certd.yaml, or "
                                  "give a token"};
}

}  // namespace mesh::ca
