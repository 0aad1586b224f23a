// What routes and rules of access ask of tokens: what FactRing keeps of these, and no more.
#pragma once

#include <string>
#include <vector>

#include "route/table.h"
#include "xds/values.h"

namespace mesh::forward {

inline constexpr size_t kAskedClaimsMax = 16;

// The paths, as route::find_claim() takes them, that `routes` (may be null), the rules of
// `filters` and of the routes, and headers made of claims ask for: at most kAskedClaimsMax.
// None where no filter verifies tokens.
std::vector<std::vector<std::string>> asked_claims(const std::vector<xds::HttpFilter>& filters,
                                                   const route::Table* routes);

}  // namespace mesh::forward
