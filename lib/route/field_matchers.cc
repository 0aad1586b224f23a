#include "route/field_matchers.h"

#include <algorithm>

#include "route/match.h"

namespace mesh::route {

Result<FieldMatchers> FieldMatchers::compile(std::vector<FieldMatch> matches) {
  FieldMatchers result;
  for (FieldMatch& match : matches) MESH_TRY_VOID(route::compile(match));
  result.matches_ = std::move(matches);
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
  return std::any_of(matches_.begin(), matches_.end(),
                     [&](const FieldMatch& match) { return holds(match, request); });
}

}  // namespace mesh::route
