// Enrolment: the decision on who an asker is. No bus in it: values in, a value
// out.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "ca/authority.h"
#include "ca/policy.h"
#include "ca/tokens.h"
#include "identity/csr.h"

namespace mesh::ca {

// What an asker brings beside its request.
struct Evidence {
  uint32_t uid = 0;                   // the kernel's word
  std::string token = {};             // may be empty
  std::string former_key = {};        // fingerprint; may be empty
  std::string former_signature = {};  // of the former key on the request's DER
};

struct Decision {
  identity::SpiffeId id;
  Ground ground;
  std::optional<Tokens::Grant> token;  // to be used up when the leaf is signed
};

// A token that stands, else the rule of the uid, else a key that this uid was
// signed before on the ground of a token: the request's own (its signature is
// the proof) or the former one. Errc::Refused says what is missing.
Result<Decision> decide(const identity::Csr& csr, const Evidence& evidence,
                        const Authority& authority, const Policy& policy, const Tokens& tokens,
                        WallTime now);

}  // namespace mesh::ca
