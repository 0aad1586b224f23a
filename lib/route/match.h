// A route's conditions, made ready and asked. Pure; asking allocates nothing,
// except to join a field that came several times.
#pragma once

#include <string_view>
#include <utility>

#include "base/result.h"
#include "route/route.h"

namespace mesh::route {

// Compiles what is a regex. Errc::Invalid and Errc::TooBig as Pattern::compile(),
// with the name of the field; Errc::Invalid for a path that can match nothing.
Result<void> compile(Match& match);
Result<void> compile(FieldMatch& match);

// Whether the compiled `match` holds. `path` is without the query, `query` what
// followed the '?'.
bool holds(const Match& match, const Request& request, std::string_view path,
           std::string_view query);
// All conditions but the path's; CONNECT is none of them.
bool conditions_hold(const Match& match, const Request& request, std::string_view query);
bool path_holds(const Match& match, std::string_view path);
bool holds(const FieldMatch& match, const Request& request);

// The first value of a parameter as it stands in `query`; nullopt: not there.
std::optional<std::string_view> query_value(std::string_view query, std::string_view name);

// The path without its query, and the query without its '?'.
std::pair<std::string_view, std::string_view> split_query(std::string_view path);

}  // namespace mesh::route
