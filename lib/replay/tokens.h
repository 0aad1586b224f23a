// Tokens: what a filter of tokens would make of a request of the past, from what was kept
// of its tokens, never the tokens themselves.
//
// Values; pure; one thread.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "http/message.h"
#include "replay/replay.h"
#include "route/claim_match.h"
#include "xds/jwt_authn.h"

namespace mesh::replay {

class Tokens {
 public:
  // `call` outlives it.
  explicit Tokens(const Call& call) : call_(call) {}
  Tokens(const Tokens&) = delete;
  Tokens& operator=(const Tokens&) = delete;

  // The filter's turn: fields that it alone may set are its own from then on. Why it
  // refuses; empty: it does not.
  std::string judge(const xds::JwtAuthn& filter, const route::Request& request,
                    http::Fields& fields);
  // The filter that had something to judge, by its digest; 0: none had.
  uint64_t judge() const { return judge_; }
  // For routes and rules behind it. Valid while this is.
  const std::vector<route::TokenClaims>& claims() const { return claims_; }
  // Whether something was asked for that was not kept.
  bool unknown() const;

 private:
  void build();
  bool known(const std::vector<std::string>& path) const;

  const Call& call_;
  uint64_t judge_ = 0;
  bool unknown_header_ = false;
  std::deque<json::Value> payloads_;
  std::vector<std::string> names_;
  std::deque<std::string> values_;  // of fields
  std::vector<route::TokenClaims> claims_;
  std::vector<std::vector<std::string>> missed_;
};

}  // namespace mesh::replay
