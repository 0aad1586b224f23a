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
// with a dot.
bool already_normal(std::string_view path) {
  char before = 0;
  for (const char c : path) {
    if (c == '%' || c == '\\' || (c == '.' && before == '/')) return false;
    before = c;
  }
  return true;
}

// Decodes unreserved characters and turns backslashes; false on a bad escape.
bool decode(std::string_view path, std::string& out) {
  for (size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    if (c == '\\') {
      out.push_back('/');
    } else if (c != '%') {
      out.push_back(c);
    } else {
      const int high = i + 2 < path.size() ? hex_value(path[i + 1]) : -1;
      const int low = high >= 0 ? hex_value(path[i + 2]) : -1;
      if (low < 0) return false;
      const int byte = high * 16 + low;
      if (unreserved(byte))
        out.push_back(char(byte));
      else
        out.append(path.substr(i, 3));
      i += 2;
    }
  }
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

bool normalise_path(std::string_view* path, std::string& storage) {
  const std::string_view whole = *path;
  if (!whole.starts_with('/')) return false;
  const std::string_view head = without_query(whole);
  if (already_normal(head)) return true;
  storage.clear();
  if (!decode(head, storage) || !remove_dot_segments(storage)) return false;
  storage.append(whole.substr(head.size()));
  *path = storage;
  return true;
}

}  // namespace mesh::http
