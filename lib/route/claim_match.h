// What verified tokens say, and how that is compared: type.matcher.v3.MetadataMatcher about
// what a filter of tokens has found out.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_value.h"
#include "base/result.h"
#include "route/text_match.h"

namespace mesh::route {

// A token, and under which name (payload_in_metadata). The payload is the verifier's, until
// its next request.
struct TokenClaims {
  std::string_view name = {};
  const json::Value* payload = nullptr;
  // Who wants to know what was asked of it that is not there; null: nobody.
  std::vector<std::vector<std::string>>* missed = nullptr;
};

// The value at `path`: the token's name, then names of claims. Null: it is not there.
const json::Value* find_claim(std::span<const TokenClaims> tokens,
                              std::span<const std::string> path);

// type.matcher.v3.ValueMatcher.
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
  TextMatch text = {};
  std::vector<ClaimMatch> parts = {};
};

// What is asked of the value at `path`, as find_claim() has it.
struct ClaimRule {
  std::vector<std::string> path = {};
  ClaimMatch value = {};
  bool invert = false;  // holds for a claim that is not there, too
};

// Makes it ready. As of texts.
Result<void> compile(ClaimMatch& match);
// `value` null: the claim is not there; nothing holds then. No allocation.
bool holds(const ClaimMatch& match, const json::Value* value);
inline bool holds(const ClaimRule& rule, std::span<const TokenClaims> tokens) {
  return holds(rule.value, find_claim(tokens, rule.path)) != rule.invert;
}

// The claim as a header of a request has it; nullopt where it is no text, number or boolean,
// or is null.
std::optional<std::string> claim_header(const json::Value* value);

// For people: `"a", "b*" or "c"`.
std::string to_string(const ClaimMatch& match);
std::string to_string(const TextMatch& match);
// "[group][id]", without the token's name.
std::string path_text(std::span<const std::string> path);
// A value in a few words: `blue`, `[a, b]`, `an object`; of what is not there "".
std::string value_text(const json::Value* value);

}  // namespace mesh::route
