#include "route/rewrite.h"

#include "route/match.h"

namespace mesh::route {

void replace_matched(const Match& match, std::string_view path, std::string_view with,
                     std::string& out) {
  size_t matched = split_query(path).first.size();
  if (match.kind == Match::Path::Prefix || match.kind == Match::Path::PathSeparatedPrefix)
    matched = std::min(match.path.size(), matched);
  out.assign(with);
  out.append(path.substr(matched));
}

std::string_view rewrite_path(const Route& route, std::string_view path, std::string& out) {
  if (route.regex_rewrite) {
    const auto [before_query, query] = split_query(path);
    route.regex_rewrite->apply(before_query, out);
    out.append(path.substr(before_query.size()));
  } else if (route.rewrite_path) {
    replace_matched(route.match, path, route.prefix_rewrite, out);
  } else {
    return path;
  }
  // An origin-form target begins with a slash (RFC 9112 section 3.2.1).
  if (!out.starts_with('/')) out.insert(out.begin(), '/');
  return out;
}

std::string_view rewrite_authority(const HostRewrite& rewrite, std::string_view authority,
                                   std::string_view path, const http::Fields& fields,
                                   std::string& out) {
  switch (rewrite.kind) {
    case HostRewrite::Kind::Literal: return rewrite.text;
    case HostRewrite::Kind::Auto: return authority;
    case HostRewrite::Kind::Header: {
      const auto value = fields.get(rewrite.text);
      return value && !value->empty() ? *value : authority;
    }
    case HostRewrite::Kind::PathRegex:
      rewrite.regex->apply(split_query(path).first, out);
      return out;
  }
  return authority;
}

void apply(const std::vector<FieldEdit>& edits, http::Fields& fields, ValueSource& source) {
  using Kind = FieldEdit::Kind;
  for (const FieldEdit& edit : edits) {
    if (edit.kind == Kind::Remove) {
      fields.remove(edit.name);
      continue;
    }
    if (edit.kind == Kind::AddIfAbsent && fields.get(edit.name)) continue;
    if (edit.kind == Kind::SetIfPresent && !fields.get(edit.name)) continue;
    const std::string_view value =
        edit.format ? source.value(*edit.format) : std::string_view(edit.value);
    if (value.empty() && !edit.keep_empty) continue;
    if (edit.kind == Kind::Set || edit.kind == Kind::SetIfPresent)
      fields.set(edit.name, value);
    else
      fields.add(edit.name, value);
  }
}

}  // namespace mesh::route
