#include "route/text_match.h"

#include <re2/re2.h>

#include <algorithm>

#include "base/check.h"
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

}  // namespace

bool istarts_with(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && text::iequals(text.substr(0, prefix.size()), prefix);
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

size_t Pattern::instructions() const { return size_t(std::max(compiled_->ProgramSize(), 0)); }

Result<void> compile(TextMatch& match) {
  if (match.kind != TextMatch::Kind::Regex) return {};
  MESH_TRY(auto pattern, Pattern::compile(match.text));
  match.pattern = std::make_shared<const Pattern>(std::move(pattern));
  return {};
}

bool holds(const TextMatch& match, std::string_view text) {
  const std::string& want = match.text;
  const bool any_case = match.ignore_case;
  switch (match.kind) {
    case TextMatch::Kind::Exact: return any_case ? text::iequals(text, want) : text == want;
    case TextMatch::Kind::Prefix:
      return any_case ? istarts_with(text, want) : text.starts_with(want);
    case TextMatch::Kind::Suffix: return any_case ? iends_with(text, want) : text.ends_with(want);
    case TextMatch::Kind::Contains:
      return any_case ? icontains(text, want) : text.find(want) != std::string_view::npos;
    case TextMatch::Kind::Regex: MESH_CHECK(match.pattern); return match.pattern->matches(text);
  }
  return false;
}

Result<std::shared_ptr<const Substitution>> Substitution::compile(std::string_view pattern,
                                                                  std::string_view with) {
  MESH_TRY(auto compiled, Pattern::compile(pattern));
  std::string problem;
  if (!compiled.compiled().CheckRewriteString(piece(with), &problem))
    return Error{Errc::Invalid, "substitution " + text::quoted(with) + ": " + problem};
  return std::shared_ptr<const Substitution>(new Substitution(std::move(compiled), with));
}

void Substitution::apply(std::string_view text, std::string& out) const {
  out.assign(text);
  re2::RE2::GlobalReplace(&out, pattern_.compiled(), piece(with_));
}

}  // namespace mesh::route
