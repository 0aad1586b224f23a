#include "http/path.h"

#include <cstdint>

namespace mesh::http {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool unreserved(int c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

// Nothing to do in nearly all paths: no "%", no "\", no segment that begins
// with a dot, nor, where they are merged, two slashes.
bool already_normal(std::string_view path, bool merge) {
  char before = 0;
  for (const char c : path) {
    if (c == '%' || c == '\\') return false;
    if (before == '/' && (c == '.' || (merge && c == '/'))) return false;
    before = c;
  }
  return true;
}

// %2F and %5C become what they stand for; whether there were any.
bool decode_slashes(std::string& path) {
  size_t out = 0;
  for (size_t in = 0; in < path.size(); ++out) {
    const int high = path[in] == '%' && in + 2 < path.size() ? hex_value(path[in + 1]) : -1;
    const int byte = high >= 0 ? high * 16 + hex_value(path[in + 2]) : -1;
    const bool slash = byte == '/' || byte == '\\';
    path[out] = slash ? char(byte) : path[in];
    in += slash ? 3 : 1;
  }
  const bool found = out != path.size();
  path.resize(out);
  return found;
}

void merge_slashes(std::string& path) {
  size_t out = 0;
  for (size_t in = 0; in < path.size(); ++in)
    if (path[in] != '/' || out == 0 || path[out - 1] != '/') path[out++] = path[in];
  path.resize(out);
}

// Decodes unreserved characters and turns backslashes, in place; false on a bad escape.
bool decode(std::string& path) {
  size_t out = 0;
  for (size_t in = 0; in < path.size();) {
    const char c = path[in];
    if (c != '%') {
      path[out++] = c == '\\' ? '/' : c;
      ++in;
      continue;
    }
    const int high = in + 2 < path.size() ? hex_value(path[in + 1]) : -1;
    const int low = high >= 0 ? hex_value(path[in + 2]) : -1;
    if (low < 0) return false;
    if (const int byte = high * 16 + low; unreserved(byte)) {
      path[out++] = char(byte);
      in += 3;
    } else {
      for (int i = 0; i < 3; ++i) path[out++] = path[in++];
    }
  }
  path.resize(out);
  return true;
}

// RFC 3986 section 5.2.4 in place, on a path that begins with "/"; false when
// ".." would leave the root.
bool remove_dot_segments(std::string& path) {
  size_t out = 0;
  size_t in = 0;
  while (in < path.size()) {  // path[in] is "/"
    size_t end = path.find('/', in + 1);
    const bool last = end == path.npos;
    if (last) end = path.size();
    const std::string_view segment = std::string_view(path).substr(in + 1, end - in - 1);
    if (segment == "..") {
      if (out == 0) return false;
      out = path.rfind('/', out - 1);
      if (last) path[out++] = '/';
    } else if (segment == ".") {
      if (last) path[out++] = '/';
    } else {
      const size_t n = end - in;
      for (size_t i = 0; i < n; ++i) path[out + i] = path[in + i];
      out += n;
    }
    in = end;
  }
  path.resize(out);
  if (path.empty()) path.assign(1, '/');
  return true;
}

}  // namespace

PathVerdict normalise_path(std::string_view* path, std::string& storage,
                           const PathOptions& options) {
  using Escaped = PathOptions::EscapedSlashes;
  const std::string_view whole = *path;
  if (!whole.starts_with('/')) return PathVerdict::Refused;
  const std::string_view head = without_query(whole);
  if (already_normal(head, options.merge_slashes)) return PathVerdict::Good;
  storage.assign(head);
  PathVerdict verdict = PathVerdict::Good;
  if (options.escaped != Escaped::Keep && decode_slashes(storage)) {
    if (options.escaped == Escaped::Reject) return PathVerdict::Refused;
    if (options.escaped == Escaped::Redirect) verdict = PathVerdict::Redirect;
  }
  if (options.normalise && (!decode(storage) || !remove_dot_segments(storage)))
    return PathVerdict::Refused;
  if (options.merge_slashes) merge_slashes(storage);
  storage.append(whole.substr(head.size()));
  *path = storage;
  return verdict;
}

}  // namespace mesh::http
