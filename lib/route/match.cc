#include "route/match.h"

#include <re2/re2.h>

#include "base/text.h"

namespace mesh::route {
namespace {

re2::StringPiece piece(std::string_view s) { return {s.data(), s.size()}; }

bool icontains(std::string_view text, std::string_view part) {
  for (size_t i = 0; i + part.size() <= text.size(); ++i)
    if (istarts_with(text.substr(i), part)) return true;
  return false;
}

bool iends_with(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() &&
         text::iequals(text.substr(text.size() - suffix.size()), suffix);
}

// The value of a field as Envoy matches it: all of that name, joined by ",".
// `joined` is only touched when there are several.
std::optional<std::string_view> field_value(const Request& request, std::string_view name,
                                            std::string& joined) {
  if (name.starts_with(':')) {
    if (name == ":method") return request.method;
    if (name == ":authority") return request.authority;
    if (name == ":path") return request.path;
    if (name == ":scheme") return request.scheme;
    return std::nullopt;
  }
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

bool field_holds(const FieldMatch& match, const TextMatcher& matcher, const Request& request) {
  std::string joined;
  const auto value = field_value(request, match.name, joined);
  if (match.present_only) return value.has_value() != match.invert;
  if (!value) return match.missing_is_empty && matcher.holds({}) != match.invert;
  return matcher.holds(*value) != match.invert;
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

Result<void> check_path(const Match& match) {
  if (match.kind == Match::Path::Regex) return {};
  if (match.path.empty() && match.kind != Match::Path::Prefix)
    return Error{Errc::Invalid, "path is empty"};
  if (match.path.find_first_of("?#") != std::string::npos)
    return Error{Errc::Invalid, "path " + text::quoted(match.path) +
                                    " may not hold '?' or '#': "
                                    "paths are matched without the query"};
  if (match.kind == Match::Path::PathSeparatedPrefix && match.path.ends_with('/'))
    return Error{Errc::Invalid,
                 "path_separated_prefix " + text::quoted(match.path) + " may not end in '/'"};
  return {};
}

}  // namespace

bool istarts_with(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && text::iequals(text.substr(0, prefix.size()), prefix);
}

std::pair<std::string_view, std::string_view> split_query(std::string_view path) {
  const size_t mark = path.find('?');
  if (mark == std::string_view::npos) return {path, {}};
  return {path.substr(0, mark), path.substr(mark + 1)};
}

Pattern::Pattern(std::unique_ptr<re2::RE2> compiled) : compiled_(std::move(compiled)) {}
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;
Pattern::~Pattern() = default;

Result<Pattern> Pattern::compile(std::string_view text) {
  if (text.empty()) return Error{Errc::Invalid, "regex is empty"};
  if (text.size() > kPatternBytesMax)
    return Error{Errc::TooBig, "regex is over " + std::to_string(kPatternBytesMax) + " bytes long"};
  re2::RE2::Options options(re2::RE2::Quiet);
  options.set_max_mem(kPatternMemoryMax);
  auto compiled = std::make_unique<re2::RE2>(piece(text), options);
  if (!compiled->ok()) {
    const bool big = compiled->error_code() == re2::RE2::ErrorPatternTooLarge;
    return Error{big ? Errc::TooBig : Errc::Invalid,
                 "regex " + text::quoted(text) + ": " + compiled->error()};
  }
  return Pattern(std::move(compiled));
}

bool Pattern::matches(std::string_view text) const {
  return re2::RE2::FullMatch(piece(text), *compiled_);
}

Result<TextMatcher> TextMatcher::compile(const TextMatch& match) {
  TextMatcher matcher(match);
  if (match.kind == TextMatch::Kind::Regex) {
    MESH_TRY(matcher.pattern_, Pattern::compile(match.text));
  }
  return matcher;
}

bool TextMatcher::holds(std::string_view text) const {
  const std::string& want = match_->text;
  const bool any_case = match_->ignore_case;
  switch (match_->kind) {
    case TextMatch::Kind::Exact: return any_case ? text::iequals(text, want) : text == want;
    case TextMatch::Kind::Prefix:
      return any_case ? istarts_with(text, want) : text.starts_with(want);
    case TextMatch::Kind::Suffix: return any_case ? iends_with(text, want) : text.ends_with(want);
    case TextMatch::Kind::Contains:
      return any_case ? icontains(text, want) : text.find(want) != std::string_view::npos;
    case TextMatch::Kind::Regex: return pattern_->matches(text);
  }
  return false;
}

Result<RouteMatcher> RouteMatcher::compile(const Match& match) {
  MESH_TRY_VOID(check_path(match));
  RouteMatcher matcher(match);
  if (match.kind == Match::Path::Regex) {
    MESH_TRY(matcher.pattern_, Pattern::compile(match.path));
  }
  for (const FieldMatch& field : match.fields) {
    auto compiled = TextMatcher::compile(field.value);
    if (!compiled) return std::move(compiled).error().during("header " + field.name);
    matcher.fields_.push_back(*std::move(compiled));
  }
  for (const QueryMatch& parameter : match.query) {
    auto compiled = TextMatcher::compile(parameter.value);
    if (!compiled) return std::move(compiled).error().during("query parameter " + parameter.name);
    matcher.query_.push_back(*std::move(compiled));
  }
  return matcher;
}

bool RouteMatcher::path_holds(std::string_view path) const {
  const std::string& want = match_->path;
  const bool any_case = match_->ignore_case;
  switch (match_->kind) {
    case Match::Path::Exact: return any_case ? text::iequals(path, want) : path == want;
    case Match::Path::Prefix: return any_case ? istarts_with(path, want) : path.starts_with(want);
    case Match::Path::PathSeparatedPrefix:
      return (any_case ? istarts_with(path, want) : path.starts_with(want)) &&
             (path.size() == want.size() || path[want.size()] == '/');
    case Match::Path::Regex: return pattern_->matches(path);
  }
  return false;
}

bool RouteMatcher::holds(const Request& request, std::string_view path,
                         std::string_view query) const {
  if (!path_holds(path)) return false;
  for (size_t i = 0; i < fields_.size(); ++i)
    if (!field_holds(match_->fields[i], fields_[i], request)) return false;
  for (size_t i = 0; i < query_.size(); ++i) {
    const QueryMatch& match = match_->query[i];
    const auto value = query_value(query, match.name);
    if (!value || !(match.present_only || query_[i].holds(*value))) return false;
  }
  return true;
}

}  // namespace mesh::route
