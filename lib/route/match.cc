#include "route/match.h"

#include <charconv>

#include "base/text.h"

namespace mesh::route {
namespace {

bool value_holds(const FieldMatch& match, std::string_view value) {
  if (!match.range) return holds(match.value, value);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  return error == std::errc{} && end == value.data() + value.size() &&
         number >= match.range->first && number < match.range->second;
}

// application/grpc and its variants (Envoy: the content type and nothing else).
bool is_grpc(const Request& request) {
  if (request.fields == nullptr) return false;
  const auto type = request.fields->get("content-type");
  return type && type->starts_with("application/grpc") &&
         (type->size() == 16 || (*type)[16] == '+');
}

bool drawn(resilience::Fraction share, uint64_t chance) {
  return chance % 1'000'000 < share.per_million;
}

Result<void> check_path(const Match& match) {
  if (match.kind == Match::Path::Regex || match.kind == Match::Path::Connect) return {};
  if (match.path.empty() && match.kind != Match::Path::Prefix)
    return Error{Errc::Invalid, "path is empty"};
  // What has a '?' or '#' as a whole path or a plain prefix holds for no request: paths are
  // matched without the query, and have no fragment. Envoy takes those two.
  if (match.kind != Match::Path::PathSeparatedPrefix) return {};
  if (match.path.ends_with('/') || match.path.find_first_of("?#") != std::string::npos)
    return Error{Errc::Invalid, "path_separated_prefix " + text::quoted(match.path) +
                                    " may not end in '/' nor hold '?' or '#'"};
  return {};
}

}  // namespace

std::optional<std::string_view> field_value(const Request& request, std::string_view name,
                                            std::string& joined) {
  if (name.starts_with(':')) {
    if (name == ":method") return request.method;
    if (name == ":authority") return request.authority;
    if (name == ":path") return request.path;
    if (name == ":scheme") return request.scheme;
    return std::nullopt;
  }
  if (name == "host") return request.authority;  // HTTP/1's name of it
  if (request.fields == nullptr) return std::nullopt;
  std::optional<std::string_view> value;
  for (const http::Field& field : *request.fields) {
    if (field.name != name) continue;
    if (!value) {
      value = field.value;
      continue;
    }
    if (joined.empty()) joined = *value;
    joined += ',';
    joined += field.value;
    value = joined;
  }
  return value;
}

std::optional<std::string_view> query_value(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    const size_t equals = pair.find('=');
    if (pair.substr(0, equals) != name) continue;
    return equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
  }
  return std::nullopt;
}

std::pair<std::string_view, std::string_view> split_query(std::string_view path) {
  const size_t mark = path.find('?');
  if (mark == std::string_view::npos) return {path, {}};
  return {path.substr(0, mark), path.substr(mark + 1)};
}

Result<void> compile(FieldMatch& match) {
  if (match.present_only || match.range) return {};
  auto compiled = compile(match.value);
  if (!compiled) return std::move(compiled).error().during("header " + match.name);
  return {};
}

Result<void> compile(Match& match) {
  MESH_TRY_VOID(check_path(match));
  if (match.kind == Match::Path::Regex) {
    MESH_TRY(auto pattern, Pattern::compile(match.path));
    match.pattern = std::make_shared<const Pattern>(std::move(pattern));
  }
  for (FieldMatch& field : match.fields) MESH_TRY_VOID(compile(field));
  for (QueryMatch& parameter : match.query) {
    if (parameter.present_only) continue;
    if (auto compiled = compile(parameter.value); !compiled)
      return std::move(compiled).error().during("query parameter " + parameter.name);
  }
  for (ClaimRule& claim : match.claims)
    if (auto compiled = compile(claim.value); !compiled)
      return std::move(compiled).error().during("claim " + path_text(claim.path));
  return {};
}

bool holds(const FieldMatch& match, const Request& request) {
  std::string joined;
  const auto value = field_value(request, match.name, joined);
  if (match.present_only) return value.has_value() != match.invert;
  if (!value) return match.missing_is_empty && value_holds(match, {}) != match.invert;
  return value_holds(match, *value) != match.invert;
}

bool path_holds(const Match& match, std::string_view path) {
  const std::string& want = match.path;
  const bool any_case = match.ignore_case;
  switch (match.kind) {
    case Match::Path::Exact: return any_case ? text::iequals(path, want) : path == want;
    case Match::Path::Prefix: return any_case ? istarts_with(path, want) : path.starts_with(want);
    case Match::Path::PathSeparatedPrefix:
      return (any_case ? istarts_with(path, want) : path.starts_with(want)) &&
             (path.size() == want.size() || path[want.size()] == '/');
    case Match::Path::Regex: return match.pattern->matches(path);
    case Match::Path::Connect: return true;
  }
  return false;
}

Clause first_failing_condition(const Match& match, const Request& request, std::string_view query) {
  using Kind = Clause::Kind;
  if (match.share && !drawn(*match.share, request.chance)) return {Kind::Share};
  if (match.grpc && !is_grpc(request)) return {Kind::Grpc};
  if (match.certificate_presented && *match.certificate_presented != request.certificate_presented)
    return {Kind::CertificatePresented};
  if (match.certificate_validated && *match.certificate_validated != request.certificate_validated)
    return {Kind::CertificateValidated};
  for (const FieldMatch& field : match.fields)
    if (!holds(field, request)) return {Kind::Field, uint32_t(&field - match.fields.data())};
  for (const QueryMatch& parameter : match.query) {
    const auto value = query_value(query, parameter.name);
    if (!value || !(parameter.present_only || holds(parameter.value, *value)))
      return {Kind::Query, uint32_t(&parameter - match.query.data())};
  }
  for (const ClaimRule& claim : match.claims)
    if (!holds(claim, request.claims)) return {Kind::Claim, uint32_t(&claim - match.claims.data())};
  return {};
}

Clause first_failing(const Match& match, const Request& request, std::string_view path,
                     std::string_view query) {
  if (match.kind == Match::Path::Connect) {
    if (request.method != "CONNECT") return {Clause::Kind::Connect};
  } else {
    if (request.path.empty()) return {Clause::Kind::HasPath};
    if (!path_holds(match, path)) return {Clause::Kind::Path};
  }
  return first_failing_condition(match, request, query);
}

}  // namespace mesh::route
