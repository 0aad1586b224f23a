// Policy: which identity a local peer may have. The request has no say.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "identity/spiffe_id.h"

namespace mesh::ca {

class Policy {
 public:
  explicit Policy(std::string trust_domain) : trust_domain_(std::move(trust_domain)) {}

  // Peers of `uid` are this workload. Errc::Invalid for a second rule of the
  // same uid or names that no SPIFFE ID can carry.
  Result<void> add(uint32_t uid, std::string_view ns, std::string_view service_account);

  // Errc::Refused, with the setting to add, when no rule names the uid.
  Result<identity::SpiffeId> identify(uint32_t uid) const;

 private:
  std::string trust_domain_;
  std::map<uint32_t, identity::SpiffeId> rules_;
};

}  // namespace mesh::ca
