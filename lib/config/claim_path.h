// Claims of tokens where a VirtualService names a header: "@request.auth.claims".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mesh::config {

// Whether the name of a header is meant for claims, right or not.
bool is_claim(std::string_view header);

// The names of claims, from the outside in, of "@request.auth.claims.a.b" or
// "@request.auth.claims[a][b]"; nullopt: it is neither (Istio, "JWT claim based routing").
std::optional<std::vector<std::string>> claim_path(std::string_view header);

}  // namespace mesh::config
