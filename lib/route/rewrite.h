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

// The path that goes upstream. Without rewrite_path it is `path` itself; else
// the matched prefix (or the whole path of an exact match) is replaced by
// prefix_rewrite and the rest, query included, stays; `out` is then overwritten
// and the view points into it. A regex match replaces the path before the query.
std::string_view rewrite_path(const Route& route, std::string_view path, std::string& out);

// host_rewrite, or `authority` as received.
std::string_view rewrite_authority(const Route& route, std::string_view authority);

// Applies edits in order. Fields view into the edits: the route must outlive
// them (the exchange pins it).
void apply(const std::vector<FieldEdit>& edits, http::Fields& fields);

}  // namespace mesh::route
