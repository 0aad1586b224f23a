// Certificate revocation lists for tests.
#pragma once

#include <string>
#include <vector>

#include "identity/certificate.h"
#include "identity/key.h"

namespace mesh::support {

// A list of the issuer in PEM, in force for `life` from now (negative: it lapsed), that has
// `revoked`.
std::string revocation_list(const identity::Certificate& issuer, const identity::Key& key,
                            const std::vector<identity::Certificate>& revoked,
                            std::chrono::seconds life = std::chrono::hours(1));

}  // namespace mesh::support
