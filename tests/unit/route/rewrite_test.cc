// What a route changes on the way upstream: mesh-routing(7), "REWRITING".

#include "route/rewrite.h"

#include <catch2/catch.hpp>

using namespace mesh;
using route::Match;

TEST_CASE("rewrite: the matched part of the path is replaced", "[route]") {
  struct Row {
    const char* because;
    Match::Path kind;
    std::string_view match;
    std::string_view with;
    std::string_view path;
    std::string_view want;
  };
  using Path = Match::Path;
  const Row rows[] = {
      {"a prefix", Path::Prefix, "/v1", "/v2", "/v1/users", "/v2/users"},
      {"the query stays", Path::Prefix, "/v1/", "/", "/v1/users?a=1", "/users?a=1"},
      {"an empty rest keeps a slash", Path::Prefix, "/v1", "", "/v1", "/"},
      {"an empty rest before a query too", Path::Prefix, "/v1", "", "/v1?a", "/?a"},
      {"nothing is tidied", Path::Prefix, "/v1", "/", "/v1/users", "//users"},
      {"a path separated prefix", Path::PathSeparatedPrefix, "/v1", "/v2", "/v1/a", "/v2/a"},
      {"an exact path whole", Path::Exact, "/v1", "/v2", "/v1?a=1", "/v2?a=1"},
      {"a regex match whole", Path::Regex, "/v[0-9]/.*", "/new", "/v1/users?q", "/new?q"},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      route::Route route;
      route.match.kind = row.kind;
      route.match.path = row.match;
      route.rewrite_path = true;
      route.prefix_rewrite = row.with;
      std::string out = "left over";
      CHECK(route::rewrite_path(route, row.path, out) == row.want);
    }
  }
}

TEST_CASE("rewrite: without a rewrite nothing is copied", "[route]") {
  route::Route route;
  std::string out;
  const std::string_view path = "/a?b";
  CHECK(route::rewrite_path(route, path, out).data() == path.data());
}

TEST_CASE("rewrite: field edits go in order", "[route]") {
  using Kind = route::FieldEdit::Kind;
  const std::vector<route::FieldEdit> edits = {
      {Kind::Remove, "x-a", ""}, {Kind::Set, "x-b", "new"}, {Kind::Append, "x-c", "2"}};
  http::Fields fields;
  fields.add("x-a", "1");
  fields.add("x-b", "old");
  fields.add("x-b", "older");
  fields.add("x-c", "1");
  route::apply(edits, fields);
  std::string text;
  for (const auto& field : fields)
    text += std::string(field.name) + "=" + std::string(field.value) + ";";
  CHECK(text == "x-b=new;x-c=1;x-c=2;");
}
