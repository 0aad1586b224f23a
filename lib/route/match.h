// A route's conditions, made ready and asked. Pure; asking allocates nothing,
// except to join a field that came several times.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "route/route.h"

namespace mesh::route {

// Compiles what is a regex. Errc::Invalid and Errc::TooBig as Pattern::compile(),
// with the name of the field; Errc::Invalid for a path that can match nothing.
Result<void> compile(Match& match);
Result<void> compile(FieldMatch& match);

// A condition of a match.
struct Clause {
  enum class Kind : uint8_t {
    None,
    Connect,  // the method is CONNECT
    HasPath,  // there is a path: a plain CONNECT has none
    Path,
    Share,
    Grpc,
    CertificatePresented,
    CertificateValidated,
    Field,  // of Match::fields, at `index`
    Query,  // of Match::query, at `index`
    Claim,  // of Match::claims, at `index`
  } kind = Kind::None;
  uint32_t index = 0;
  bool operator==(const Clause&) const = default;
};

// The first condition, in the order in which they are asked, that fails; None: the
// match holds. `match` is compiled, `path` without the query, `query` what followed
// the '?'.
Clause first_failing(const Match& match, const Request& request, std::string_view path,
                     std::string_view query);
// Of the conditions other than the path's; CONNECT is none of them.
Clause first_failing_condition(const Match& match, const Request& request, std::string_view query);

inline bool holds(const Match& match, const Request& request, std::string_view path,
                  std::string_view query) {
  return first_failing(match, request, path, query).kind == Clause::Kind::None;
}
inline bool conditions_hold(const Match& match, const Request& request, std::string_view query) {
  return first_failing_condition(match, request, query).kind == Clause::Kind::None;
}
bool path_holds(const Match& match, std::string_view path);
bool holds(const FieldMatch& match, const Request& request);

// The value of a field as a FieldMatch sees it: all of that name, joined by ",", or a
// pseudo field. `joined` keeps it where there are several. nullopt: it is not there.
std::optional<std::string_view> field_value(const Request& request, std::string_view name,
                                            std::string& joined);

// The first value of a parameter as it stands in `query`; nullopt: not there.
std::optional<std::string_view> query_value(std::string_view query, std::string_view name);

// The path without its query, and the query without its '?'.
std::pair<std::string_view, std::string_view> split_query(std::string_view path);

}  // namespace mesh::route
