// Paths as routes and policies see them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mesh::http {

// What is done with a path before it is matched. The default is Istio's, BASE.
struct PathOptions {
  // RFC 3986 section 6 as Envoy's normalize_path does it: "\" becomes "/", dot segments
  // are removed ("." and "..", also with a percent-encoded dot), a needlessly encoded
  // unreserved character is decoded.
  bool normalise = true;
  bool merge_slashes = false;  // "//" becomes "/", after the above
  // path_with_escaped_slashes_action, before the above: %2F and %5C.
  enum class EscapedSlashes : uint8_t {
    Keep,
    Reject,
    Redirect,
    Decode
  } escaped = EscapedSlashes::Keep;
  bool operator==(const PathOptions&) const = default;
};

enum class PathVerdict : uint8_t {
  Good,
  Refused,   // 400
  Redirect,  // 307 to the path as it is now
};

// Source: Envoy, HttpConnectionManager normalize_path, merge_slashes and
// path_with_escaped_slashes_action. The query stays as it is. A path is refused that does
// not begin with "/", and, where it is normalised, one whose ".." leads above the root or
// where a percent sign is not followed by two digits. When nothing had to change, `*path`
// stays and `storage` is untouched, at the cost of one scan; else `*path` points into
// `storage`, which it must not view before.
PathVerdict normalise_path(std::string_view* path, std::string& storage,
                           const PathOptions& options);

// BASE; false where it is refused.
inline bool normalise_path(std::string_view* path, std::string& storage) {
  return normalise_path(path, storage, {}) == PathVerdict::Good;
}

// The path without its query.
inline std::string_view without_query(std::string_view path) {
  return path.substr(0, path.find('?'));
}

}  // namespace mesh::http
