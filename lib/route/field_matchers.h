// FieldMatchers: header matchers that stand apart from a route's match.
//
// A policy's list of them (retriable_headers and the like), compiled. Const, shared
// by all workers.
#pragma once

#include <memory>
#include <vector>

#include "http/message.h"
#include "route/table.h"

namespace mesh::route {

class FieldMatchers {
 public:
  // An empty list, of which none holds.
  FieldMatchers();
  // Errc::Invalid, Errc::TooBig: as Table::build() has them for a route.
  static Result<FieldMatchers> compile(std::vector<FieldMatch> matches);
  FieldMatchers(FieldMatchers&&) noexcept;
  FieldMatchers& operator=(FieldMatchers&&) noexcept;
  ~FieldMatchers();

  bool empty() const { return !compiled_; }
  // Of a request's head, pseudo fields too; or of an answer's fields.
  bool any_holds(const http::RequestHead& head) const;
  bool any_holds(const http::ResponseHead& head) const;

 private:
  struct Compiled;
  bool any_holds(const Request& request) const;
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace mesh::route
