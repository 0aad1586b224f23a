// FieldMatchers: header matchers that stand apart from a route's match.
//
// A policy's list of them (retriable_headers and the like), compiled. Const, shared
// by all workers.
#pragma once

#include <vector>

#include "base/result.h"
#include "http/message.h"
#include "route/route.h"

namespace mesh::route {

class FieldMatchers {
 public:
  // Errc::Invalid, Errc::TooBig: as Table::build() has them for a route.
  static Result<FieldMatchers> compile(std::vector<FieldMatch> matches);

  bool empty() const { return matches_.empty(); }
  // Of a request's head, pseudo fields too; or of an answer's fields. An empty list
  // holds for none.
  bool any_holds(const http::RequestHead& head) const;
  bool any_holds(const http::ResponseHead& head) const;

 private:
  bool any_holds(const Request& request) const;
  std::vector<FieldMatch> matches_;
};

}  // namespace mesh::route
