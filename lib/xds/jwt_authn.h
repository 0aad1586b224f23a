// JwtAuthn: whose tokens an HTTP filter takes, and which requests need one; values of
// filters.http.jwt_authn.v3. Immutable once decoded.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "identity/jwks.h"
#include "route/route.h"

namespace mesh::xds {

// RESPONSE_CODE_DETAILS of a refusal begin with it.
inline constexpr std::string_view kJwtDenied = "jwt_authn_access_denied";

struct JwtProvider {
  struct Header {
    std::string name;    // lower-case
    std::string prefix;  // before the token
  };
  struct ClaimHeader {
    std::string name;               // lower-case
    std::vector<std::string> path;  // of names of claims
  };

  std::string name;
  std::string issuer;                  // empty: any
  std::vector<std::string> audiences;  // empty: any
  identity::Jwks keys;
  // Where tokens are looked for.
  std::vector<Header> from_headers;
  std::vector<std::string> from_params;
  std::vector<std::string> from_cookies;
  bool forward = false;        // else the token is taken out of the request, but not of cookies
  std::string payload_header;  // lower-case; empty: none
  bool pad_payload_header = false;
  std::string payload_name;                         // for policies; empty: they do not see it
  std::vector<std::string> space_delimited_claims;  // become lists
  std::vector<ClaimHeader> claim_headers;
  bool clear_route_cache = false;  // the route is found anew with what a token says
  Duration clock_skew = std::chrono::seconds(60);
};

struct JwtRequirement {
  enum class Kind : uint8_t {
    Provider,  // a token of `provider`
    Any,       // one of `parts`
    All,       // all of `parts`
    // No token where the providers beside it look for theirs, or such as are good;
    AllowMissing,
    AllowMissingOrFailed,  // or any.
  } kind = Kind::Provider;
  uint32_t provider = 0;
  std::vector<std::string> audiences;  // in place of the provider's; empty: those
  std::vector<JwtRequirement> parts;
  std::vector<uint32_t> beside;  // AllowMissing and ...OrFailed: the providers
};

struct JwtRule {
  route::Match match;  // compiled
  bool required = false;
  JwtRequirement requirement;
};

struct JwtAuthn {
  std::vector<JwtProvider> providers;
  std::vector<JwtRule> rules;  // the first that matches
  bool bypass_cors_preflight = false;
  uint64_t digest = 0;  // of the message: where it is the same, tokens are judged alike
  // Of a worker: verified tokens that are remembered, and how long they may be.
  uint32_t cache_size = 100;
  uint32_t cached_token_bytes_max = 4096;
};

}  // namespace mesh::xds
