// Tokens: what the forwarder's own filter makes of the tokens that a call brings.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "forward/filter/filter.h"
#include "forward/scratch.h"
#include "http/message.h"
#include "route/route.h"
#include "xds/jwt_authn.h"

namespace mesh::explain {

// The kid that stands in a set of keys for those that nobody here knows.
inline constexpr std::string_view kUnknownKeys = "not-known-here";

// Of one call, which it outlives. One thread.
class Tokens {
 public:
  struct Judged {
    uint16_t status = 0;       // not 0: refused with it
    std::string details = {};  // RESPONSE_CODE_DETAILS of that
    std::string text = {};     // what was found, for people; empty: there is no token
    bool reroute = false;      // the route is to be found again
  };

  // The filter's turn: edits the fields and the path as it does, the path in `path`. `filter`
  // outlives this. Times of tokens are compared with `now`.
  Judged judge(const xds::JwtAuthn& filter, const route::Request& request, WallTime now,
               http::Fields& fields, std::string& path);

  // Whether a filter had its turn.
  bool asked() const { return !filters_.empty(); }
  // Whether there is a token that nobody here can judge: claims() has not what it says.
  bool unknown() const { return unknown_; }
  // What good ones say, for routes and rules behind the filters. Valid while this is.
  const std::vector<route::TokenClaims>& claims() const { return claims_; }

 private:
  // Claims point into what they hold.
  std::vector<std::shared_ptr<const forward::filter::Filter>> filters_;
  std::vector<route::TokenClaims> claims_;
  forward::Scratch scratch_;
  bool unknown_ = false;
};

}  // namespace mesh::explain
