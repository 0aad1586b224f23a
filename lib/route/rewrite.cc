#include "route/rewrite.h"

#include "route/match.h"

namespace mesh::route {

std::string_view rewrite_path(const Route& route, std::string_view path, std::string& out) {
  if (!route.rewrite_path) return path;
  const std::string_view before_query = split_query(path).first;
  size_t matched = before_query.size();
  if (route.match.kind == Match::Path::Prefix ||
      route.match.kind == Match::Path::PathSeparatedPrefix)
    matched = std::min(route.match.path.size(), matched);
  out.assign(route.prefix_rewrite);
  out.append(path.substr(matched));
  // An origin-form target begins with a slash (RFC 9112 section 3.2.1).
  if (!out.starts_with('/')) out.insert(out.begin(), '/');
  return out;
}

std::string_view rewrite_authority(const Route& route, std::string_view authority) {
  return route.host_rewrite.empty() ? authority : std::string_view(route.host_rewrite);
}

void apply(const std::vector<FieldEdit>& edits, http::Fields& fields) {
  for (const FieldEdit& edit : edits) {
    switch (edit.kind) {
      case FieldEdit::Kind::Append: fields.add(edit.name, edit.value); break;
      case FieldEdit::Kind::Set: fields.set(edit.name, edit.value); break;
      case FieldEdit::Kind::Remove: fields.remove(edit.name); break;
    }
  }
}

}  // namespace mesh::route
