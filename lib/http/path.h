// Paths as routes and policies see them.
#pragma once

#include <string>
#include <string_view>

namespace mesh::http {

// Istio's default path normalisation, BASE (RFC 3986 section 6 as Envoy's
// normalize_path does it): "\" becomes "/", dot segments are removed ("." and
// "..", also with a percent-encoded dot), a needlessly encoded unreserved
// character is decoded. Slashes are not merged, %2F is not decoded, the query
// stays as it is. False refuses the path (400): it does not begin with "/", or
// ".." leads above the root, or a percent sign is not followed by two digits.
// When nothing had to change, `*path` stays and `storage` is untouched, at the
// cost of one scan; else `*path` points into `storage`.
bool normalise_path(std::string_view* path, std::string& storage);

// The path without its query.
inline std::string_view without_query(std::string_view path) {
  return path.substr(0, path.find('?'));
}

}  // namespace mesh::http
