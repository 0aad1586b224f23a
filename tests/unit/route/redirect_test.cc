// Where redirects lead: mesh-routing(7), "REDIRECTS".

#include "route/redirect.h"

#include <catch2/catch.hpp>

using namespace mesh;
using route::Match;
using route::Redirect;

namespace {

struct Row {
  const char* because;
  Redirect redirect;
  std::string_view want;
  std::string_view authority = "shop";
  std::string_view path = "/v1/users?a=1";
  std::string_view proto = {};
};

}  // namespace

TEST_CASE("redirect: the location, part by part", "[route]") {
  using Path = Redirect::Path;
  const auto regex = *route::Substitution::compile("/v(\\d)/", "/version-\\1/");
  const Row rows[] = {
      {"nothing is changed", {}, "http://shop/v1/users?a=1"},
      {"another host", {.host = "new.example"}, "http://new.example/v1/users?a=1"},
      {"another path keeps the query",
       {.path_kind = Path::Whole, .path = "/new"},
       "http://shop/new?a=1"},
      {"a path with a query has its own",
       {.path_kind = Path::Whole, .path = "/new?b", .strip_query = true},
       "http://shop/new?b"},
      {"the query stripped",
       {.path_kind = Path::Whole, .path = "/new", .strip_query = true},
       "http://shop/new"},
      {"the matched prefix",
       {.path_kind = Path::Prefix, .path = "/v2"},
       "http://shop/v2/users?a=1"},
      {"by regex", {.path_kind = Path::Regex, .regex = regex}, "http://shop/version-1/users?a=1"},
      {"https", {.scheme = "https"}, "https://shop/v1/users?a=1"},
      {"the old scheme's own port goes",
       {.scheme = "https"},
       "https://shop/v1/users?a=1",
       "shop:80"},
      {"another port stays", {.scheme = "https"}, "https://shop:8080/v1/users?a=1", "shop:8080"},
      {"it stays while the scheme does", {}, "http://shop:80/v1/users?a=1", "shop:80"},
      {"a port replaces the one there", {.port = 8443}, "http://shop:8443/v1/users?a=1", "shop:80"},
      {"of an IPv6 address too", {.port = 8443}, "http://[::1]:8443/v1/users?a=1", "[::1]:80"},
      {"without a port", {.scheme = "https"}, "https://[::1]/v1/users?a=1", "[::1]"},
      {"x-forwarded-proto says what the scheme was",
       {.scheme = "https"},
       "https://shop:80/v1/users?a=1",
       "shop:80",
       "/v1/users?a=1",
       "https"},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      route::Route route;
      route.match.path = "/v1";
      route.redirect = std::make_shared<const Redirect>(row.redirect);
      const route::Request request{
          .authority = row.authority, .method = "GET", .scheme = "http", .path = row.path};
      CHECK(route::location(route, request, row.proto) == row.want);
    }
  }
}
