#include "route/redirect.h"

#include "base/check.h"
#include "route/match.h"
#include "route/rewrite.h"

namespace mesh::route {
namespace {

std::string_view kept_host(const Redirect& redirect, std::string_view authority,
                           std::string_view scheme, std::string_view old_scheme) {
  const size_t colon = authority.rfind(':');
  if (colon == std::string_view::npos || authority.find(']', colon) != std::string_view::npos)
    return authority;
  const std::string_view port = authority.substr(colon + 1);
  const bool was_default =
      (old_scheme == "https" && port == "443") || (old_scheme == "http" && port == "80");
  const bool drop = redirect.port || (scheme != old_scheme && was_default);
  return drop ? authority.substr(0, colon) : authority;
}

std::string path_of(const Route& route, const Redirect& redirect, std::string_view path) {
  std::string result;
  const auto before_query = split_query(path).first;
  const std::string_view query = path.substr(before_query.size());  // with its '?'
  switch (redirect.path_kind) {
    case Redirect::Path::Keep: result = path; break;
    case Redirect::Path::Whole:
      result = redirect.path;
      if (result.find('?') != std::string::npos) return result;  // stripped in no case
      result += query;
      break;
    case Redirect::Path::Prefix: replace_matched(route.match, path, redirect.path, result); break;
    case Redirect::Path::Regex:
      redirect.regex->apply(before_query, result);
      result += query;
      break;
  }
  if (redirect.strip_query) result.resize(split_query(result).first.size());
  if (!result.starts_with('/')) result.insert(result.begin(), '/');
  return result;
}

}  // namespace

std::string location(const Route& route, const Request& request, std::string_view forwarded_proto) {
  MESH_CHECK(route.redirect);
  const Redirect& redirect = *route.redirect;
  const std::string_view scheme =
      redirect.scheme.empty() ? request.scheme : std::string_view(redirect.scheme);
  const std::string_view old_scheme = forwarded_proto.empty() ? request.scheme : forwarded_proto;
  std::string result(scheme);
  result += "://";
  result += redirect.host.empty() ? kept_host(redirect, request.authority, scheme, old_scheme)
                                  : std::string_view(redirect.host);
  if (redirect.port) result += ":" + std::to_string(*redirect.port);
  result += path_of(route, redirect, request.path);
  return result;
}

}  // namespace mesh::route
