// Paths and what is matched on them, from any bytes: the normalisation in all its ways,
// and the index of routes against asking each in turn.
//
// modules: route telemetry resilience http base
// libraries: re2

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "http/path.h"
#include "route/match.h"
#include "route/redirect.h"
#include "route/table.h"

using namespace mesh;

namespace {

void normalise(std::string_view bytes, const http::PathOptions& options) {
  std::string_view path = bytes;
  std::string storage;
  if (http::normalise_path(&path, storage, options) == http::PathVerdict::Refused) return;
  if (!path.starts_with('/') || path.size() > bytes.size()) abort();
  if (!options.normalise) return;
  // Normal is normal: a second time changes nothing.
  const std::string once(path);
  std::string_view again = once;
  std::string other;
  http::PathOptions plain = options;
  plain.escaped = http::PathOptions::EscapedSlashes::Keep;
  if (http::normalise_path(&again, other, plain) != http::PathVerdict::Good) abort();
  const std::string_view head = http::without_query(again);
  if (head.find("/../") != head.npos || head.ends_with("/..") || head.find('\\') != head.npos)
    abort();
  if (options.merge_slashes && head.find("//") != head.npos) abort();
}

route::Route to(route::Match match) {
  route::Route route;
  route.match = std::move(match);
  route.clusters = {{"c"}};
  return route;
}

const route::Table& table() {
  using Path = route::Match::Path;
  static const auto built = [] {
    route::VirtualHost host{.name = "h", .domains = {"*"}, .routes = {}};
    for (const char* text : {"/a", "/a/", "/ab", "/b/c", "/A", "/", "/a/b/c"})
      for (const Path kind : {Path::Exact, Path::PathSeparatedPrefix, Path::Prefix})
        for (const bool any_case : {false, true}) {
          if (kind == Path::PathSeparatedPrefix && std::string_view(text).ends_with('/')) continue;
          route::Match match{.kind = kind, .path = text, .ignore_case = any_case};
          if (host.routes.size() % 3 != 0)
            match.query.push_back({.name = "q", .present_only = true});
          host.routes.push_back(to(std::move(match)));
        }
    host.routes.insert(host.routes.begin() + 5, to({.kind = Path::Regex, .path = "/[ab]+/x.*"}));
    auto made = route::Table::build("t", {std::move(host)});
    if (!made) abort();
    return *made;
  }();
  return *built;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using Escaped = http::PathOptions::EscapedSlashes;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const bool normal : {true, false})
    for (const bool merge : {true, false})
      for (const Escaped escaped :
           {Escaped::Keep, Escaped::Reject, Escaped::Redirect, Escaped::Decode})
        normalise(bytes, {.normalise = normal, .merge_slashes = merge, .escaped = escaped});

  const route::Request request{.authority = "h", .method = "GET", .scheme = "http", .path = bytes};
  const auto [path, query] = route::split_query(bytes);
  const route::Route* first = nullptr;
  for (const route::Route& route : table().hosts()[0].routes) {
    if (!holds(route.match, request, path, query)) continue;
    first = &route;
    break;
  }
  if (table().find(request) != first) abort();
  return 0;
}
