// The index of a virtual host: it finds what asking every route in turn finds, and
// asks few. mesh-routing(7), "MATCHING".

#include <catch2/catch.hpp>

#include "base/random.h"
#include "route/match.h"
#include "route/table.h"

using namespace mesh;
using route::Match;
using route::Route;
using route::SearchCost;
using route::Table;

namespace {

Route to(size_t number, Match match) {
  Route route;
  route.name = std::to_string(number);
  route.match = std::move(match);
  route.clusters = {{"c"}};
  return route;
}

std::shared_ptr<const Table> table_of(std::vector<Route> routes) {
  std::vector<route::VirtualHost> hosts(1);
  hosts[0] = {.name = "all", .domains = {"*"}, .routes = std::move(routes)};
  auto built = Table::build("t", std::move(hosts));
  INFO((built ? std::string() : built.error().text));
  REQUIRE(built);
  return *built;
}

// Envoy's way: each route in turn.
const Route* naive(const Table& table, const route::Request& request) {
  const auto [path, query] = route::split_query(request.path);
  for (const Route& route : table.hosts()[0].routes)
    if (holds(route.match, request, path, query)) return &route;
  return nullptr;
}

// Short texts of few letters, so that prefixes, cases and exact paths meet.
std::string random_path(Random& random, size_t segments) {
  std::string path;
  for (size_t i = 0; i < segments; ++i) {
    path += '/';
    for (size_t n = random.below(3); n > 0; --n) path += "aAbB"[random.below(4)];
  }
  return path.empty() ? "/" : path;
}

Match random_match(Random& random) {
  using Path = Match::Path;
  Match match;
  match.path = random_path(random, 1 + random.below(4));
  match.ignore_case = random.below(3) == 0;
  switch (random.below(8)) {
    case 0:
      match.kind = Path::Regex;
      match.path = random.below(2) == 0 ? "/a.*" : "/[ab]+/?";
      break;
    case 1:
    case 2: match.kind = Path::Exact; break;
    case 3:
      match.kind = Path::PathSeparatedPrefix;
      while (match.path.ends_with('/')) match.path += 'a';
      break;
    case 4: match.kind = Path::Connect; break;
    case 5: match.path = random.below(2) == 0 ? "" : "/"; break;
    default: break;
  }
  if (random.below(3) == 0)
    match.fields.push_back(
        {.name = ":method", .value = {.text = random.below(2) == 0 ? "GET" : "PUT"}});
  if (random.below(4) == 0) match.query.push_back({.name = "q", .present_only = true});
  return match;
}

}  // namespace

TEST_CASE("index: the first match is the one that asking in turn finds", "[route]") {
  Random random(20240611);
  size_t found = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<Route> routes;
    for (size_t i = 0, n = random.below(40); i < n; ++i)
      routes.push_back(to(i, random_match(random)));
    const auto table = table_of(std::move(routes));
    for (int i = 0; i < 100; ++i) {
      std::string path = random_path(random, 1 + random.below(5));
      if (random.below(4) == 0) path += "?q=1";
      route::Request request{.authority = "h", .method = random.below(2) == 0 ? "GET" : "POST"};
      request.path = path;
      if (random.below(20) == 0) request.method = "CONNECT";
      if (random.below(40) == 0) request.path = {};
      const Route* const want = naive(*table, request);
      const Route* const got = table->find(request);
      INFO(path);
      REQUIRE(got == want);
      found += got != nullptr;
    }
  }
  CHECK(found > 1000);
}

TEST_CASE("index: a hundred thousand routes, and few of them are asked", "[route]") {
  constexpr size_t kRoutes = 100'000;
  std::vector<Route> routes;
  routes.reserve(kRoutes + 2);
  for (size_t i = 0; i < kRoutes; ++i) {
    Match match;
    match.kind = i % 3 == 0   ? Match::Path::Exact
                 : i % 3 == 1 ? Match::Path::Prefix
                              : Match::Path::PathSeparatedPrefix;
    match.path = "/shop-" + std::to_string(i % 100) + "/item-" + std::to_string(i);
    match.ignore_case = i % 7 == 0;
    routes.push_back(to(i, std::move(match)));
  }
  routes.push_back(to(kRoutes, {.kind = Match::Path::Regex, .path = "/rare/.*"}));
  routes.push_back(to(kRoutes + 1, {}));  // the rest
  const auto table = table_of(std::move(routes));

  Random random(7);
  for (int i = 0; i < 2000; ++i) {
    const size_t number = random.below(kRoutes);
    const std::string path =
        "/shop-" + std::to_string(number % 100) + "/item-" + std::to_string(number);
    SearchCost cost;
    const Route* const got = table->find({.authority = "h", .method = "GET", .path = path}, &cost);
    REQUIRE(got != nullptr);
    // A shorter prefix of it may stand before it: "/item-1" before "/item-10".
    REQUIRE(path.starts_with(got->match.path));
    CHECK(std::stoul(got->name) <= number);
    CHECK(cost.routes <= 8);
    CHECK(cost.nodes <= 40);
  }
  SearchCost cost;
  const Route* got = table->find({.authority = "h", .method = "GET", .path = "/rare/x"}, &cost);
  CHECK(got->name == std::to_string(kRoutes));
  CHECK(cost.routes == 2);
  got = table->find({.authority = "h", .method = "GET", .path = "/nothing"}, &cost);
  CHECK(got->name == std::to_string(kRoutes + 1));
  CHECK(cost.routes <= 2);
}
