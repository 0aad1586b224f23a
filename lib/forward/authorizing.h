// Authorizing: what an exchange remembers of authorizers that it asked.
#pragma once

#include <deque>
#include <memory>

#include "authz/check.h"
#include "forward/authorizer_call.h"
#include "forward/filter/ext_authz.h"

namespace mesh::forward {

struct Authorizing {
  const filter::Ask* ask = nullptr;  // of a filter of the exchange's view
  bool early = false;                // asked where the route may yet become another
  bool awaits_body = false;          // not asked yet
  std::unique_ptr<AuthorizerCall> call;
  // Heads view their texts until the exchange is over; they do not move.
  std::deque<authz::CheckAnswer> answers;
};

}  // namespace mesh::forward
