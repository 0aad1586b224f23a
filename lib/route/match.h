// Matchers: a route's conditions, compiled. Inside of Table.
//
// Pure; holds() allocates nothing, except to join a field that came several
// times. RE2 keeps matching linear in the input, and each pattern's memory bounded.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "route/table.h"

namespace re2 {
class RE2;
}

namespace mesh::route {

// The longest pattern, and the memory RE2 may use for one (program and caches).
inline constexpr size_t kPatternBytesMax = 4096;
inline constexpr int64_t kPatternMemoryMax = 1 << 20;

// A whole-text regex in RE2's syntax (Envoy's google_re2).
class Pattern {
 public:
  // Errc::Invalid: does not compile. Errc::TooBig: too long, or too large compiled.
  static Result<Pattern> compile(std::string_view text);
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;
  ~Pattern();

  bool matches(std::string_view text) const;

 private:
  explicit Pattern(std::unique_ptr<re2::RE2> compiled);
  std::unique_ptr<re2::RE2> compiled_;
};

class TextMatcher {
 public:
  // `match` must outlive the matcher.
  static Result<TextMatcher> compile(const TextMatch& match);
  bool holds(std::string_view text) const;

 private:
  explicit TextMatcher(const TextMatch& match) : match_(&match) {}
  const TextMatch* match_;
  std::optional<Pattern> pattern_;
};

class RouteMatcher {
 public:
  // `match` must outlive the matcher.
  static Result<RouteMatcher> compile(const Match& match);

  // `path` is without the query, `query` what followed the '?'.
  bool holds(const Request& request, std::string_view path, std::string_view query) const;

 private:
  explicit RouteMatcher(const Match& match) : match_(&match) {}
  bool path_holds(std::string_view path) const;

  const Match* match_;
  std::optional<Pattern> pattern_;
  std::vector<TextMatcher> fields_;  // as match_->fields
  std::vector<TextMatcher> query_;   // as match_->query
};

// The path without its query, and the query without its '?'.
std::pair<std::string_view, std::string_view> split_query(std::string_view path);

// As text::iequals, for beginnings.
bool istarts_with(std::string_view text, std::string_view prefix);

}  // namespace mesh::route
