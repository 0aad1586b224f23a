// Which route a request takes: a row per rule of mesh-routing(7), "MATCHING".

#include "route/table.h"

#include <catch2/catch.hpp>
#include <map>

#include "base/random.h"

using namespace mesh;
using route::FieldMatch;
using route::Match;
using route::QueryMatch;
using route::Route;
using route::TextMatch;
using route::VirtualHost;

namespace {

Route to(std::string name, Match match) {
  Route route;
  route.name = std::move(name);
  route.match = std::move(match);
  route.clusters = {{route.name, 1}};
  return route;
}

Match path(Match::Path kind, std::string text) {
  Match match;
  match.kind = kind;
  match.path = std::move(text);
  return match;
}
Match exact(std::string text) { return path(Match::Path::Exact, std::move(text)); }
Match prefix(std::string text) { return path(Match::Path::Prefix, std::move(text)); }
Match separated(std::string text) {
  return path(Match::Path::PathSeparatedPrefix, std::move(text));
}
Match regex(std::string text) { return path(Match::Path::Regex, std::move(text)); }

std::shared_ptr<const route::Table> table_of(std::vector<VirtualHost> hosts) {
  auto table = route::Table::build("outbound", std::move(hosts));
  if (!table) FAIL(table.error().text);
  return *table;
}

std::shared_ptr<const route::Table> table_of(std::vector<Route> routes) {
  return table_of(std::vector<VirtualHost>{{"all", {"*"}, std::move(routes)}});
}

std::string refused(std::vector<VirtualHost> hosts) {
  auto table = route::Table::build("outbound", std::move(hosts));
  return table ? "accepted" : table.error().text;
}

std::string_view name_of(const Route* route) { return route ? route->name : "none"; }

}  // namespace

TEST_CASE("route: the first match in the order of the list wins", "[route]") {
  const auto table = table_of({
      to("health", exact("/api/v2/health")),
      to("api-v2", prefix("/api/v2")),
      to("late-exact", exact("/api/v2/late")),
      to("api", prefix("/api/")),
      to("never", prefix("/api/v3")),
      to("separated", separated("/shop")),
      to("digits", regex("/item/[0-9]+")),
      to("site", prefix("/")),
  });
  struct Row {
    const char* because;
    std::string_view path;
    std::string_view want;
  };
  const Row rows[] = {
      {"the root takes what nothing before it takes", "/index.html", "site"},
      {"a prefix takes what begins with it", "/api/users", "api"},
      {"an earlier route wins over a later one", "/api/v2/users", "api-v2"},
      {"an earlier prefix wins over a later exact path", "/api/v2/late", "api-v2"},
      {"a prefix is a string: /api/v2 takes /api/v20", "/api/v20", "api-v2"},
      {"a longer prefix that comes later is never reached", "/api/v3/x", "api"},
      {"exact is exact", "/api/v2/health/live", "api-v2"},
      {"the query is not part of an exact path", "/api/v2/health?full=1", "health"},
      {"a path separated prefix takes itself", "/shop", "separated"},
      {"a path separated prefix takes what is below it", "/shop/cart", "separated"},
      {"a path separated prefix ends at a slash", "/shopping", "site"},
      {"a path separated prefix may be followed by the query", "/shop?x", "separated"},
      {"a regex matches the whole path", "/item/42", "digits"},
      {"a regex matches no part of the path", "/item/42/x", "site"},
      {"a regex does not see the query", "/item/42?x=y", "digits"},
      {"case matters in paths", "/API/users", "site"},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      CHECK(name_of(table->find({.authority = "x", .path = row.path})) == row.want);
    }
  }
}

TEST_CASE("route: ignore_case makes a path's case irrelevant", "[route]") {
  Match match = prefix("/Api");
  match.ignore_case = true;
  Match whole = exact("/Whole");
  whole.ignore_case = true;
  const auto table = table_of({to("api", match), to("whole", whole)});
  CHECK(name_of(table->find({.authority = "x", .path = "/aPI/users"})) == "api");
  CHECK(name_of(table->find({.authority = "x", .path = "/wHOLE"})) == "whole");
  CHECK(table->find({.authority = "x", .path = "/other"}) == nullptr);
}

TEST_CASE("route: the most exact domain of an authority wins", "[route]") {
  const std::vector<Route> none = {};
  const auto table = table_of(std::vector<VirtualHost>{
      {"any", {"*"}, none},
      {"short-suffix", {"*.com"}, none},
      {"long-suffix", {"*.shop.com"}, none},
      {"dash", {"*-bar.foo.net"}, none},
      {"short-prefix", {"www.*"}, none},
      {"long-prefix", {"www.shop.*"}, none},
      {"exact", {"cart.shop.com", "cart.shop.com:8080"}, none},
      {"v6", {"[::1]:80"}, none},
  });
  struct Row {
    const char* because;
    std::string_view authority;
    std::string_view want;
  };
  const Row rows[] = {
      {"exact wins over every wildcard", "cart.shop.com", "exact"},
      {"case does not matter", "CART.Shop.COM", "exact"},
      {"the longest suffix wins", "a.shop.com", "long-suffix"},
      {"a suffix wins over a prefix", "www.shop.com", "long-suffix"},
      {"a shorter suffix takes the rest", "www.other.com", "short-suffix"},
      {"the longest prefix wins", "www.shop.org", "long-prefix"},
      {"a shorter prefix takes the rest", "WWW.other.org", "short-prefix"},
      {"a star stands for at least one character", "-bar.foo.net", "any"},
      {"a star may stand for a part of a label", "baz-bar.foo.net", "dash"},
      {"a port is part of the name", "cart.shop.com:8080", "exact"},
      {"a port that is not listed is another name", "cart.shop.com:81", "any"},
      {"an IPv6 literal is a name as any other", "[::1]:80", "v6"},
      {"the star takes what is left", "localhost", "any"},
      {"also an empty authority", "", "any"},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      const VirtualHost* host = table->find_host(row.authority);
      REQUIRE(host != nullptr);
      CHECK(host->name == row.want);
    }
  }
}

TEST_CASE("route: without a star an unknown authority has no host", "[route]") {
  const auto table = table_of(std::vector<VirtualHost>{{"a", {"a"}, {to("a", prefix("/"))}}});
  CHECK(table->find_host("b") == nullptr);
  CHECK(table->find({.authority = "b", .path = "/"}) == nullptr);
  CHECK(name_of(table->find({.authority = "a", .path = "/"})) == "a");
}

TEST_CASE("route: header matchers have Envoy's semantics", "[route]") {
  struct Row {
    const char* because;
    FieldMatch match;
    std::vector<http::Field> fields;
    bool want;
  };
  const TextMatch is_v2{TextMatch::Kind::Exact, "v2", false};
  const auto field = [](TextMatch value, bool present = false, bool invert = false,
                        bool missing_is_empty = false) {
    return FieldMatch{"x-version", present, std::move(value), invert, missing_is_empty};
  };
  using Kind = TextMatch::Kind;
  const Row rows[] = {
      {"exact takes the value", field(is_v2), {{"x-version", "v2"}}, true},
      {"exact takes no other", field(is_v2), {{"x-version", "v20"}}, false},
      {"exact heeds case", field(is_v2), {{"x-version", "V2"}}, false},
      {"ignore_case", field({Kind::Exact, "v2", true}), {{"x-version", "V2"}}, true},
      {"prefix", field({Kind::Prefix, "v", false}), {{"x-version", "v9"}}, true},
      {"prefix, any case", field({Kind::Prefix, "V", true}), {{"x-version", "v9"}}, true},
      {"suffix", field({Kind::Suffix, "9", false}), {{"x-version", "v9"}}, true},
      {"suffix, any case", field({Kind::Suffix, "RC", true}), {{"x-version", "v9rc"}}, true},
      {"contains", field({Kind::Contains, "9", false}), {{"x-version", "v9rc"}}, true},
      {"contains, any case", field({Kind::Contains, "9RC", true}), {{"x-version", "v9rc1"}}, true},
      {"regex takes the whole value",
       field({Kind::Regex, "v[0-9]", false}),
       {{"x-version", "v9"}},
       true},
      {"regex takes no part", field({Kind::Regex, "v[0-9]", false}), {{"x-version", "v10"}}, false},
      {"a missing header does not match", field(is_v2), {{"other", "v2"}}, false},
      {"inverted, another value matches", field(is_v2, false, true), {{"x-version", "v1"}}, true},
      {"inverted, the value does not", field(is_v2, false, true), {{"x-version", "v2"}}, false},
      {"inverted, a missing header does not match either", field(is_v2, false, true), {}, false},
      {"but does where missing counts as empty", field(is_v2, false, true, true), {}, true},
      {"missing as empty is no value", field(is_v2, false, false, true), {}, false},
      {"present", field({}, true), {{"x-version", ""}}, true},
      {"present, missing", field({}, true), {}, false},
      {"not present", field({}, true, true), {}, true},
      {"not present, there", field({}, true, true), {{"x-version", ""}}, false},
      {"several are joined by a comma",
       field({Kind::Exact, "v1,v2", false}),
       {{"x-version", "v1"}, {"x-version", "v2"}},
       true},
      {"so neither alone matches", field(is_v2), {{"x-version", "v1"}, {"x-version", "v2"}}, false},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      Match match = prefix("/");
      match.fields = {row.match};
      const auto table = table_of({to("yes", match)});
      http::Fields fields;
      for (const auto& f : row.fields) fields.add(f.name, f.value);
      const bool found = table->find({.authority = "x", .path = "/", .fields = &fields}) != nullptr;
      CHECK(found == row.want);
    }
  }
}

TEST_CASE("route: all header matchers must hold, pseudo headers too", "[route]") {
  Match match = prefix("/");
  match.fields = {
      {":method", false, {TextMatch::Kind::Exact, "POST", false}, false, false},
      {":authority", false, {TextMatch::Kind::Prefix, "shop", false}, false, false},
      {":scheme", false, {TextMatch::Kind::Exact, "https", false}, false, false},
      {"end-user", false, {TextMatch::Kind::Exact, "jason", false}, false, false},
  };
  const auto table = table_of({to("yes", match)});
  http::Fields fields;
  fields.add("end-user", "jason");
  route::Request request{"shop:80", "POST", "https", "/", &fields};
  CHECK(table->find(request) != nullptr);
  request.method = "GET";
  CHECK(table->find(request) == nullptr);
  request.method = "POST";
  request.scheme = "http";
  CHECK(table->find(request) == nullptr);
  request.scheme = "https";
  request.fields = nullptr;
  CHECK(table->find(request) == nullptr);
}

TEST_CASE("route: query parameters match as they are written", "[route]") {
  struct Row {
    const char* because;
    QueryMatch match;
    std::string_view path;
    bool want;
  };
  const TextMatch one{TextMatch::Kind::Exact, "1", false};
  const Row rows[] = {
      {"by value", {"a", false, one}, "/?a=1", true},
      {"among others", {"a", false, one}, "/?b=2&a=1&c", true},
      {"another value", {"a", false, one}, "/?a=2", false},
      {"no query", {"a", false, one}, "/", false},
      {"present without a value", {"a", true, {}}, "/?a", true},
      {"present with an empty value", {"a", true, {}}, "/?a=", true},
      {"not present", {"a", true, {}}, "/?aa=1", false},
      {"the first of a name counts", {"a", false, one}, "/?a=2&a=1", false},
      {"nothing is decoded", {"a", false, one}, "/?a=%31", false},
      {"a value may hold '='",
       {"a", false, {TextMatch::Kind::Exact, "b=c", false}},
       "/?a=b=c",
       true},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      Match match = prefix("/");
      match.query = {row.match};
      const auto table = table_of({to("yes", match)});
      CHECK((table->find({.authority = "x", .path = row.path}) != nullptr) == row.want);
    }
  }
}

TEST_CASE("route: what cannot be meant is refused by name", "[route]") {
  const auto one = [](Route route) {
    return refused({VirtualHost{"shop", {"*"}, {std::move(route)}}});
  };
  CHECK_THAT(refused({{"a", {"x"}, {}}, {"b", {"X"}, {}}}), Catch::Contains("listed twice"));
  CHECK_THAT(refused({{"a", {"*.x"}, {}}, {"b", {"*.x"}, {}}}), Catch::Contains("\"b\""));
  CHECK_THAT(refused({{"a", {"*"}, {}}, {"b", {"*"}, {}}}), Catch::Contains("listed twice"));
  CHECK_THAT(refused({{"a", {}, {}}}), Catch::Contains("has no domain"));
  CHECK_THAT(refused({{"a", {""}, {}}}), Catch::Contains("domain is empty"));
  CHECK_THAT(refused({{"a", {"a.*.b"}, {}}}), Catch::Contains("first or last"));
  CHECK_THAT(refused({{"a", {"*a*"}, {}}}), Catch::Contains("first or last"));
  CHECK_THAT(one(to("bad", regex("("))),
             Catch::Contains("route \"bad\"") && Catch::Contains("regex"));
  CHECK_THAT(one(to("r", regex(std::string(5000, 'a')))), Catch::Contains("over 4096 bytes"));
  CHECK_THAT(one(to("r", regex("((((a{100}){100}){100}))"))), Catch::Contains("regex"));
  CHECK_THAT(one(to("r", separated("/a?b"))), Catch::Contains("'?'"));
  CHECK_THAT(one(to("r", separated("/a/"))), Catch::Contains("end in '/'"));
  Match bad_header = prefix("/");
  bad_header.fields = {{"x", false, {TextMatch::Kind::Regex, "[", false}, false, false}};
  CHECK_THAT(one(to("r", bad_header)), Catch::Contains("header x"));
  Route no_cluster = to("r", prefix("/"));
  no_cluster.clusters.clear();
  CHECK_THAT(one(no_cluster), Catch::Contains("has no cluster"));
  no_cluster.direct_status = 99;
  CHECK_THAT(one(no_cluster), Catch::Contains("200 to 599"));
  no_cluster.direct_status = 404;
  CHECK(one(no_cluster) == "accepted");
  Route no_weight = to("r", prefix("/"));
  no_weight.clusters = {{"a", 0}, {"b", 0}};
  no_weight.provenance = "shop.yaml:7:3";
  CHECK_THAT(one(no_weight), Catch::Contains("sum to zero") && Catch::Contains("shop.yaml:7:3"));
}

TEST_CASE("route: weights are shares", "[route]") {
  Route route = to("r", prefix("/"));
  route.clusters = {{"v1", 90}, {"v2", 10}, {"v3", 0}};
  Random random(7);
  std::map<std::string, int> counts;
  for (int i = 0; i < 100000; ++i) ++counts[route::pick_cluster(route, random.next()).cluster];
  CHECK(counts["v1"] == Approx(90000).margin(500));
  CHECK(counts["v2"] == Approx(10000).margin(500));
  CHECK(counts["v3"] == 0);
  CHECK(route::pick_cluster(route, 0).cluster == "v1");
  CHECK(route::pick_cluster(route, UINT64_MAX).cluster == "v2");
}
