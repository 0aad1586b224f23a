// What a route changes on the way upstream: mesh-routing(7), "REWRITING".

#include "route/rewrite.h"

#include <catch2/catch.hpp>

#include "telemetry/access_log.h"

using namespace mesh;
using route::Match;

namespace {

struct NoValues final : route::ValueSource {
  std::string_view value(const telemetry::AccessFormat&) override { return "made"; }
};

}  // namespace

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
  NoValues none;
  route::apply(edits, fields, none);
  std::string text;
  for (const auto& field : fields)
    text += std::string(field.name) + "=" + std::string(field.value) + ";";
  CHECK(text == "x-b=new;x-c=1;x-c=2;");
}

TEST_CASE("rewrite: edits that ask whether the field is there", "[route]") {
  using Kind = route::FieldEdit::Kind;
  std::vector<route::FieldEdit> edits = {{Kind::SetIfPresent, "x-a", "set"},
                                         {Kind::SetIfPresent, "x-b", "set"},
                                         {Kind::AddIfAbsent, "x-a", "added"},
                                         {Kind::AddIfAbsent, "x-c", "added"}};
  edits.push_back({.kind = Kind::Append,
                   .name = "x-d",
                   .format = std::make_shared<const telemetry::AccessFormat>(
                       *telemetry::AccessFormat::parse("%PROTOCOL%"))});
  http::Fields fields;
  fields.add("x-a", "1");
  NoValues values;
  route::apply(edits, fields, values);
  std::string text;
  for (const auto& field : fields)
    text += std::string(field.name) + "=" + std::string(field.value) + ";";
  CHECK(text == "x-a=set;x-c=added;x-d=made;");
}

TEST_CASE("rewrite: by regex, the query left alone", "[route]") {
  route::Route route;
  route.regex_rewrite =
      *route::Substitution::compile("^/service/([^/]+)(/.*)$", "\\2/instance/\\1");
  std::string out;
  CHECK(route::rewrite_path(route, "/service/foo/v1/api?a=/service/b/c", out) ==
        "/v1/api/instance/foo?a=/service/b/c");
  CHECK(route::rewrite_path(route, "/other", out) == "/other");
  route.regex_rewrite = *route::Substitution::compile("one", "two");
  CHECK(route::rewrite_path(route, "/xxx/one/yyy/one/zzz", out) == "/xxx/two/yyy/two/zzz");
  CHECK_FALSE(route::Substitution::compile("a", "\\1"));
  CHECK_FALSE(route::Substitution::compile("(", "b"));
}

TEST_CASE("rewrite: the authority", "[route]") {
  using Kind = route::HostRewrite::Kind;
  http::Fields fields;
  fields.add("x-host", "other");
  std::string out;
  const auto after = [&](const route::HostRewrite& rewrite) {
    return std::string(route::rewrite_authority(rewrite, "shop:80", "/a/b?c", fields, out));
  };
  CHECK(after({.kind = Kind::Literal, .text = "reviews"}) == "reviews");
  CHECK(after({.kind = Kind::Header, .text = "x-host"}) == "other");
  CHECK(after({.kind = Kind::Header, .text = "x-none"}) == "shop:80");
  CHECK(after({.kind = Kind::Auto}) == "shop:80");
  CHECK(after({.kind = Kind::PathRegex,
               .regex = *route::Substitution::compile("^/(.+)/.*$", "\\1")}) == "a");
}
