#include "route/field_matchers.h"

#include "route/match.h"

namespace mesh::route {

struct FieldMatchers::Compiled {
  std::vector<Match> matches;  // of one field each, any path; matchers point into it
  std::vector<RouteMatcher> matchers;
};

FieldMatchers::FieldMatchers() = default;
FieldMatchers::FieldMatchers(FieldMatchers&&) noexcept = default;
FieldMatchers& FieldMatchers::operator=(FieldMatchers&&) noexcept = default;
FieldMatchers::~FieldMatchers() = default;

Result<FieldMatchers> FieldMatchers::compile(std::vector<FieldMatch> matches) {
  FieldMatchers result;
  if (matches.empty()) return result;
  result.compiled_ = std::make_unique<Compiled>();
  auto& compiled = *result.compiled_;
  for (auto& match : matches) {
    Match one;
    one.fields.push_back(std::move(match));
    compiled.matches.push_back(std::move(one));
  }
  for (const Match& match : compiled.matches) {
    MESH_TRY(auto matcher, RouteMatcher::compile(match));
    compiled.matchers.push_back(std::move(matcher));
  }
  return result;
}

bool FieldMatchers::any_holds(const http::RequestHead& head) const {
  return any_holds({.authority = head.authority,
                    .method = head.method,
                    .scheme = head.scheme,
                    .path = head.path,
                    .fields = &head.fields});
}

bool FieldMatchers::any_holds(const http::ResponseHead& head) const {
  return any_holds({.fields = &head.fields});
}

bool FieldMatchers::any_holds(const Request& request) const {
  if (!compiled_) return false;
  for (const RouteMatcher& matcher : compiled_->matchers)
    if (matcher.holds(request, "/", {})) return true;
  return false;
}

}  // namespace mesh::route
