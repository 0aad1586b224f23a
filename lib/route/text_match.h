// TextMatch: a text compared with a pattern, as routes, CORS and policies do it.
//
// A value; compile() once, then holds() on any thread. RE2 keeps matching linear in
// the input, and each pattern's memory bounded.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace re2 {
class RE2;
}

namespace mesh::route {

// The longest pattern, and the memory RE2 may use for one (program and caches).
inline constexpr size_t kPatternBytesMax = 4096;
inline constexpr int64_t kPatternMemoryMax = 1 << 20;

// A regex in RE2's syntax (Envoy's google_re2).
class Pattern {
 public:
  // Errc::Invalid: does not compile. Errc::TooBig: too long, or too large compiled.
  static Result<Pattern> compile(std::string_view text);
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;
  ~Pattern();

  // The whole text.
  bool matches(std::string_view text) const;
  // How large it is compiled: what it costs in time and memory grows with it.
  size_t instructions() const;
  const re2::RE2& compiled() const { return *compiled_; }

 private:
  explicit Pattern(std::unique_ptr<re2::RE2> compiled);
  std::unique_ptr<re2::RE2> compiled_;
};

// A string matcher: type.matcher.v3.StringMatcher.
struct TextMatch {
  enum class Kind : uint8_t { Exact, Prefix, Suffix, Contains, Regex } kind = Kind::Exact;
  std::string text = {};
  bool ignore_case = false;
  std::shared_ptr<const Pattern> pattern = nullptr;  // of compile(), where kind is Regex
};

// Makes `match` ready for holds(). As Pattern::compile().
Result<void> compile(TextMatch& match);
// MESH_CHECKs that a regex was compiled. No allocation.
bool holds(const TextMatch& match, std::string_view text);

// A pattern and what each place that it matches becomes: RegexMatchAndSubstitute.
// "\1" to "\9" stand for what the groups matched, "\0" for all, "\\" for a backslash.
class Substitution {
 public:
  // As Pattern::compile(), and Errc::Invalid where `with` names a group that is not there.
  static Result<std::shared_ptr<const Substitution>> compile(std::string_view pattern,
                                                             std::string_view with);

  // `text` with every match replaced, from left to right; `out` is overwritten.
  void apply(std::string_view text, std::string& out) const;

 private:
  Substitution(Pattern pattern, std::string_view with)
      : pattern_(std::move(pattern)), with_(with) {}
  Pattern pattern_;
  std::string with_ = {};
};

// As text::iequals, for beginnings.
bool istarts_with(std::string_view text, std::string_view prefix);

}  // namespace mesh::route
