// Rewrite: what a route changes in the head of a request on its way upstream.
//
// Pure; appends to the caller's buffer, so that a warm buffer costs no
// allocation. Semantics: Envoy, config.route.v3.RouteAction.
#pragma once

#include <string>
#include <string_view>

#include "http/message.h"
#include "route/table.h"

namespace mesh::route {

// The path that goes upstream. Without a rewrite it is `path` itself; else the
// matched prefix (or the whole path of an exact or regex match) is replaced by
// prefix_rewrite, or what regex_rewrite matches by its substitution; the rest,
// query included, stays. `out` is then overwritten and the view points into it:
// `path` must not.
std::string_view rewrite_path(const Route& route, std::string_view path, std::string& out);

// What `match` matches of `path` (a prefix, else all before the query) replaced by
// `with`; the rest stays. `out` is overwritten; `path` must not view it.
void replace_matched(const Match& match, std::string_view path, std::string_view with,
                     std::string& out);

// The authority that goes upstream by `rewrite`; Kind::Auto leaves it as it is
// (the endpoint decides). `path` is the one received. `out` may be overwritten.
std::string_view rewrite_authority(const HostRewrite& rewrite, std::string_view authority,
                                   std::string_view path, const http::Fields& fields,
                                   std::string& out);

// Where values with operators get theirs from, and where they live afterwards.
class ValueSource {
 public:
  virtual std::string_view value(const telemetry::AccessFormat& format) = 0;

 protected:
  ~ValueSource() = default;
};

// Applies edits in order. Fields view into the edits, which must outlive them (the
// exchange pins the route), or are what `source` gave; values see the fields as they are
// once the removals are made, which come first.
void apply(const std::vector<FieldEdit>& edits, http::Fields& fields, ValueSource& source);

}  // namespace mesh::route
