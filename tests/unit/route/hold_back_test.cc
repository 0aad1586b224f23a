// Routes that stay as they were while what they lead to is not ready.
#include "route/hold_back.h"

#include <catch2/catch.hpp>
#include <set>

using namespace mesh;
using route::Route;
using route::Table;
using route::VirtualHost;

namespace {

using Names = std::vector<std::string>;

// A route for each list of clusters: "/0" to the first, and so on.
VirtualHost host(const std::string& name, const std::vector<Names>& routes) {
  VirtualHost host{.name = name, .domains = {name}, .routes = {}};
  for (const Names& clusters : routes) {
    Route route;
    route.match.path = "/" + std::to_string(host.routes.size());
    for (const std::string& cluster : clusters) route.clusters.push_back({cluster, 1});
    if (clusters.empty()) route.direct_status = 204;
    host.routes.push_back(std::move(route));
  }
  return host;
}

std::shared_ptr<const Table> table(std::vector<VirtualHost> hosts,
                                   route::TableOptions options = {}) {
  auto built = Table::build("outbound", std::move(hosts), options);
  if (!built) FAIL(built.error().text);
  return *built;
}

// Where "/0" of the host leads; "" for an answer, "none" where there is no route.
std::string leads(const Table& table, const std::string& authority) {
  const Route* const found = table.find({.authority = authority, .path = "/0"});
  if (found == nullptr) return "none";
  return found->clusters.empty() ? "" : found->clusters.back().cluster;
}

bool ready(const std::string& cluster) { return std::set<std::string>{"a", "b"}.contains(cluster); }

}  // namespace

TEST_CASE("hold back: a virtual host that leads to what is not ready stays as it was", "[route]") {
  struct Row {
    const char* what;
    std::vector<Names> former, next;
    std::string leads;
    bool same;  // the table itself
  };
  const auto row = GENERATE(values<Row>({
      {"all is ready", {{"a"}}, {{"b"}}, "b", true},
      {"it moves to a cold one", {{"a"}}, {{"cold"}}, "a", false},
      {"a share of it moves", {{"a"}}, {{"a", "cold"}}, "a", false},
      {"another of its routes moves", {{"a"}, {"a"}}, {{"b"}, {"cold"}}, "a", false},
      {"it was an answer", {{}}, {{"cold"}}, "", false},
      {"it led to a cold one already", {{"cold"}}, {{"cold"}}, "cold", true},
      {"a part of it did", {{"a"}, {"cold"}}, {{"cold"}, {"b"}}, "cold", true},
      {"what it led to is gone", {{"gone"}}, {{"cold"}}, "cold", true},
      {"it is an answer now", {{"cold"}}, {{}}, "", true},
  }));
  INFO(row.what);
  const auto former = table({host("svc", row.former)});
  const auto next = table({host("svc", row.next)});
  const auto held = route::hold_back(next, *former, ready);
  CHECK((held == next) == row.same);
  CHECK(leads(*held, "svc") == row.leads);
}

TEST_CASE("hold back: other virtual hosts are as they are now", "[route]") {
  const auto former =
      table({host("moves", {{"a"}}), host("changes", {{"a"}}), host("goes", {{"a"}})});
  auto moved = host("moves", {{"cold"}});
  moved.domains = {"moves", "also"};
  const auto next =
      table({moved, host("changes", {{"b"}}), host("comes", {{"cold"}})}, {.ignore_port = true});
  const auto held = route::hold_back(next, *former, ready);
  CHECK(leads(*held, "moves") == "a");
  CHECK(leads(*held, "also") == "a");
  CHECK(leads(*held, "changes") == "b");
  CHECK(leads(*held, "goes") == "none");
  CHECK(leads(*held, "comes") == "cold");
  CHECK(leads(*held, "changes:80") == "b");  // by the options of the next
  CHECK(held->name() == "outbound");
  // What is held is the former of what comes after: nothing is forgotten on the way.
  const auto later = table({host("moves", {{"cold"}}), host("changes", {{"a"}})});
  CHECK(leads(*route::hold_back(later, *held, ready), "moves") == "a");
  const auto all = [](const std::string&) { return true; };
  CHECK(route::hold_back(later, *held, all) == later);
}

TEST_CASE("hold back: clusters that requests name are not waited for", "[route]") {
  const auto former = table({host("svc", {{"a"}})});
  auto by_header = host("svc", {{""}});
  by_header.routes[0].clusters[0].cluster_header = "x-cluster";
  const auto next = table({by_header});
  CHECK(route::hold_back(next, *former, ready) == next);
}
