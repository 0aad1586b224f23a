// ClaimMatch: how a value of a token is compared: type.matcher.v3.ValueMatcher.
#pragma once

#include <string>
#include <vector>

#include "base/json_value.h"
#include "base/result.h"
#include "route/text_match.h"

namespace mesh::authz {

struct ClaimMatch {
  enum class Kind : uint8_t {
    Null,     // it is null
    Number,   // from `low`, below `high`, or exactly `low`
    Text,     // a string that `text` holds for
    Boolean,  // it is `wanted`
    Present,  // it is there: `wanted`; never holds for false (Envoy)
    OneOf,    // a list, one of which `parts[0]` holds for
    Any,      // one of `parts` holds
  } kind = Kind::Null;
  bool wanted = true;
  bool exact = false;
  double low = 0;
  double high = 0;
  route::TextMatch text = {};
  std::vector<ClaimMatch> parts = {};
};

// Makes it ready. As route::compile().
Result<void> compile(ClaimMatch& match);
// `value` null: the claim is not there; nothing holds then. No allocation.
bool holds(const ClaimMatch& match, const json::Value* value);
// For people: `"a", "b*" or "c"`.
std::string to_string(const ClaimMatch& match);
std::string to_string(const route::TextMatch& match);

}  // namespace mesh::authz
