// Priorities, localities, panic: mesh-routing(7), "LOAD BALANCING"; the rows about
// priorities are those of Envoy's page "Priority levels".

#include <catch2/catch.hpp>
#include <map>

#include "balance/balancer.h"
#include "balance/slow_start.h"

using namespace mesh;
using namespace std::chrono_literals;
using balance::Group;
using balance::Health;
using balance::Host;
using balance::HostIndex;
using balance::LocalityMode;
using balance::PriorityHealth;

namespace {

constexpr Instant kNow{1h};

using Made = std::unique_ptr<balance::Balancer>;
Made make(balance::Options options, std::vector<Host> hosts, std::vector<Group> groups) {
  return std::make_unique<balance::Balancer>(balance::Config{.options = options}, std::move(hosts),
                                             std::move(groups));
}

// `healthy` of `all` hosts in each priority, 100 a priority.
std::vector<uint32_t> loads(std::initializer_list<uint32_t> healthy,
                            std::initializer_list<uint32_t> degraded = {}, double panic = 0) {
  std::vector<PriorityHealth> priorities;
  for (const uint32_t h : healthy) priorities.push_back({.hosts = 100, .healthy = h});
  size_t i = 0;
  for (const uint32_t d : degraded) priorities[i++].degraded = d;
  std::vector<uint32_t> result;
  for (const auto& share : balance::distribute(priorities, {.healthy_panic_percent = panic}))
    result.push_back(share.healthy_percent);
  if (degraded.size() > 0)
    for (const auto& share : balance::distribute(priorities, {.healthy_panic_percent = panic}))
      result.push_back(share.degraded_percent);
  return result;
}

using Loads = std::vector<uint32_t>;

// Shares of 10000 picks by group, in percent.
std::map<uint32_t, double> by_group(balance::Balancer& balancer, int picks = 20000) {
  Random random(7);
  std::map<uint32_t, double> result;
  for (int i = 0; i < picks; ++i) {
    const HostIndex host = balancer.pick(random, {}, kNow);
    result[host == balance::kNoHost ? UINT32_MAX : balancer.host(host).group] += 100.0 / picks;
  }
  return result;
}

std::vector<Host> hosts(std::initializer_list<uint32_t> in_group) {
  std::vector<Host> result;
  uint32_t group = 0;
  for (const uint32_t n : in_group) {
    for (uint32_t i = 0; i < n; ++i) result.push_back({.group = group});
    ++group;
  }
  return result;
}

}  // namespace

TEST_CASE("balance: load spills over to the next priority", "[balance]") {
  CHECK(loads({100, 100}) == Loads{100, 0});
  CHECK(loads({72, 72}) == Loads{100, 0});
  CHECK(loads({71, 71}) == Loads{99, 1});
  CHECK(loads({50, 50}) == Loads{70, 30});
  CHECK(loads({50, 0}) == Loads{100, 0});
  CHECK(loads({25, 100}) == Loads{35, 65});
  CHECK(loads({25, 25}) == Loads{50, 50});
  CHECK(loads({25, 0}) == Loads{100, 0});
  CHECK(loads({5, 65}) == Loads{8, 92});  // what rounding leaves goes to the first
  CHECK(loads({0, 0}) == Loads{100, 0});  // to nobody
  CHECK(loads({0, 100, 100}) == Loads{0, 100, 0});
  CHECK(loads({50, 20, 100}) == Loads{70, 28, 2});
}

TEST_CASE("balance: degraded hosts are used when healthy ones do not suffice", "[balance]") {
  // Envoy's page "Degraded endpoints".
  CHECK(loads({100}, {0}) == Loads{100, 0});
  CHECK(loads({50}, {50}) == Loads{70, 30});
  CHECK(loads({0}, {100}) == Loads{0, 100});
  CHECK(loads({0, 100}, {100, 0}) == Loads{0, 100, 0, 0});
}

TEST_CASE("balance: total panic goes by the number of hosts", "[balance]") {
  CHECK(loads({0, 0}, {}, 50) == Loads{50, 50});
  CHECK(loads({5, 5}, {}, 50) == Loads{50, 50});
  // One that is whole takes all, and there is no panic.
  CHECK(loads({5, 100}, {}, 50) == Loads{7, 93});
}

TEST_CASE("balance: the first priority dies, the second takes over", "[balance]") {
  auto balancer =
      make({.healthy_panic_percent = 0}, hosts({2, 2}), {{.priority = 0}, {.priority = 1}});
  CHECK(by_group(*balancer)[0] == Approx(100));
  balancer->set_health(0, Health::Unhealthy);
  auto seen = by_group(*balancer);
  CHECK(seen[0] == Approx(70).margin(2));
  CHECK(seen[1] == Approx(30).margin(2));
  balancer->set_health(1, Health::Draining);
  CHECK(by_group(*balancer)[1] == Approx(100));
  balancer->set_health(0, Health::Healthy);
  balancer->set_health(1, Health::Healthy);
  CHECK(by_group(*balancer)[0] == Approx(100));
}

TEST_CASE("balance: hosts that were not checked yet count for nothing", "[balance]") {
  auto balancer =
      make({.healthy_panic_percent = 0}, hosts({4, 1}), {{.priority = 0}, {.priority = 1}});
  for (HostIndex i = 1; i < 4; ++i) balancer->set_health(i, Health::Excluded);
  CHECK(by_group(*balancer)[0] == Approx(100));
  for (HostIndex i = 1; i < 4; ++i) balancer->set_health(i, Health::Unhealthy);
  CHECK(by_group(*balancer)[0] == Approx(35).margin(2));
}

TEST_CASE("balance: localities by weight and by their health", "[balance]") {
  for (const auto algorithm : {balance::Algorithm::RoundRobin, balance::Algorithm::LeastRequest,
                               balance::Algorithm::Random}) {
    auto balancer = make(
        {.algorithm = algorithm, .locality = LocalityMode::Weighted, .healthy_panic_percent = 0},
        hosts({5, 1, 2}), {{.weight = 1}, {.weight = 3}, {.weight = 0}});
    auto seen = by_group(*balancer);
    CHECK(seen[0] == Approx(25).margin(1));  // whatever the number of hosts
    CHECK(seen[1] == Approx(75).margin(1));
    CHECK(seen[2] == 0);  // no weight, no load
    // 2 of 5 at 1.4 are 56 percent of its weight.
    for (HostIndex i = 0; i < 3; ++i) balancer->set_health(i, Health::Unhealthy);
    seen = by_group(*balancer);
    CHECK(seen[0] == Approx(100 * 0.56 / 3.56).margin(1));
  }
}

TEST_CASE("balance: localities weigh in a ring too", "[balance]") {
  auto set = hosts({4, 1});
  const std::string names[] = {"a:1", "b:1", "c:1", "d:1", "e:1"};
  for (size_t i = 0; i < set.size(); ++i) set[i].address = names[i];
  auto balancer = make({.algorithm = balance::Algorithm::RingHash,
                        .hash = {.minimum_ring_size = 16384},
                        .locality = LocalityMode::Weighted},
                       set, {{.weight = 1}, {.weight = 1}});
  CHECK(by_group(*balancer)[1] == Approx(50).margin(4));
}

TEST_CASE("balance: callers stay in their zone while it has room", "[balance]") {
  const std::vector<Group> groups = {{.own = true}, {.own = false}};
  const balance::Options options{.locality = LocalityMode::ZoneAware};
  auto even = make(options, hosts({3, 3}), groups);
  even->set_callers({.by_group = {5, 5}, .total = 10, .localities = 2});
  CHECK(by_group(*even)[0] == Approx(100));
  CHECK(even->stats().counts[balance::Stats::ZoneRoutingAllDirectly] > 0);

  // Half of the calls, a third of the hosts: two thirds stay, the rest crosses.
  auto short_of = make(options, hosts({2, 4}), groups);
  short_of->set_callers({.by_group = {5, 5}, .total = 10, .localities = 2});
  CHECK(by_group(*short_of)[0] == Approx(66.7).margin(1.5));

  // Too few hosts, callers of one zone, callers in panic: no zones.
  for (const auto& [n, callers] : std::initializer_list<std::pair<uint32_t, balance::Callers>>{
           {2, {.by_group = {5, 5}, .total = 10, .localities = 2}},
           {3, {.by_group = {10, 0}, .total = 10, .localities = 1}},
           {3, {.by_group = {5, 5}, .total = 10, .localities = 2, .panic = true}}}) {
    auto plain = make(options, hosts({n, n}), groups);
    plain->set_callers(callers);
    CHECK(by_group(*plain)[0] == Approx(50).margin(1));
  }
}

TEST_CASE("balance: a new host warms up", "[balance]") {
  const balance::SlowStartOptions linear{.window = 60s};
  CHECK(balance::slow_start_factor(linear, 0s) == Approx(0.1));
  CHECK(balance::slow_start_factor(linear, 30s) == Approx(0.5));
  CHECK(balance::slow_start_factor(linear, 60s) == 1);
  CHECK(balance::slow_start_factor({.window = 60s, .aggression = 2}, 15s) == Approx(0.5));
  CHECK(balance::slow_start_factor({.window = 60s, .min_weight_percent = 30}, 6s) == Approx(0.3));

  for (const auto algorithm : {balance::Algorithm::RoundRobin, balance::Algorithm::LeastRequest}) {
    auto set = hosts({2});
    set[1].up_since = kNow;
    auto balancer = make({.algorithm = algorithm, .slow_start = linear}, set, {{}});
    const auto share = [&](Duration age) {
      Random random(3);
      int hits = 0;
      for (int i = 0; i < 10000; ++i) hits += balancer->pick(random, {}, kNow + age) == 1;
      return hits / 10000.0;
    };
    CHECK(share(0s) == Approx(0.1 / 1.1).margin(0.02));
    CHECK(share(20s) == Approx(0.25).margin(0.02));
    CHECK(share(30s) == Approx(1.0 / 3).margin(0.02));
    CHECK(share(61s) == Approx(0.5).margin(0.02));
    CHECK(share(1h) == Approx(0.5).margin(0.02));
  }
}

TEST_CASE("balance: subsets by metadata, with fallback", "[balance]") {
  const balance::Metadata v1{{"stage", "prod"}, {"version", "1"}};
  const balance::Metadata v2{{"stage", "prod"}, {"version", "2"}};
  const balance::Metadata dev{{"stage", "dev"}};
  std::vector<Host> set = {
      {.metadata = &v1}, {.metadata = &v2}, {.metadata = &v2}, {.metadata = &dev}, {}};
  using Fallback = balance::SubsetOptions::Fallback;
  balance::SubsetOptions subsets{
      .fallback = Fallback::NoFallback,
      .default_subset = {{"stage", "dev"}},
      .selectors = {{.keys = {"version"}, .fallback = {}},
                    {.keys = {"stage", "version"}, .fallback = Fallback::DefaultSubset}}};
  const auto pick = [&](const balance::Metadata* wanted) {
    balance::Balancer balancer({.subsets = subsets}, set, {{}});
    Random random(5);
    std::map<HostIndex, int> seen;
    for (int i = 0; i < 100; ++i) ++seen[balancer.pick(random, {.subset = wanted}, kNow)];
    std::string text;
    for (const auto& [host, n] : seen)
      text += host == balance::kNoHost ? "-" : std::to_string(host);
    return text;
  };
  const balance::Metadata one{{"version", "1"}};
  const balance::Metadata two{{"version", "2"}};
  const balance::Metadata nine{{"version", "9"}};
  const balance::Metadata both{{"stage", "prod"}, {"version", "2"}};
  const balance::Metadata other{{"stage", "test"}, {"version", "2"}};
  CHECK(pick(&one) == "0");
  CHECK(pick(&two) == "12");
  CHECK(pick(&both) == "12");
  CHECK(pick(&nine) == "-");   // NO_FALLBACK
  CHECK(pick(&dev) == "-");    // no selector has just this key
  CHECK(pick(&other) == "3");  // the selector's own fallback
  CHECK(pick(nullptr) == "-");
  subsets.fallback = Fallback::AnyEndpoint;
  CHECK(pick(&nine) == "01234");
  CHECK(pick(nullptr) == "01234");
  subsets.fallback = Fallback::DefaultSubset;
  CHECK(pick(&nine) == "3");
}

TEST_CASE("balance: a session's host comes first while it may be used", "[balance]") {
  std::vector<Host> set = hosts({3});
  const std::string names[] = {"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"};
  for (size_t i = 0; i < 3; ++i) set[i].address = names[i];
  auto balancer = make({}, set, {{}});
  Random random(5);
  const auto pick = [&](balance::PickContext context) {
    std::map<HostIndex, int> seen;
    for (int i = 0; i < 60; ++i) ++seen[balancer->pick(random, context, kNow)];
    return seen.size() == 1 ? int(seen.begin()->first) : -1;
  };
  CHECK(pick({.override_host = "10.0.0.2:80"}) == 1);
  CHECK(pick({.override_host = "10.0.0.9:80"}) == -1);
  CHECK(pick({.override_host = "10.0.0.9:80", .override_strict = true}) == int(balance::kNoHost));
  const HostIndex tried[] = {1};
  CHECK(pick({.tried = tried, .override_host = "10.0.0.2:80"}) == -1);
  balancer->set_health(1, Health::Degraded);
  CHECK(pick({.override_host = "10.0.0.2:80"}) == 1);
  balancer->set_health(1, Health::Draining);
  CHECK(pick({.override_host = "10.0.0.2:80"}) == -1);
}

TEST_CASE("balance: least request over all hosts", "[balance]") {
  std::array<std::atomic<uint32_t>, 4> active{3, 1, 2, 1};
  std::vector<Host> set = hosts({4});
  for (size_t i = 0; i < 4; ++i) set[i].active = &active[i];
  auto balancer =
      make({.algorithm = balance::Algorithm::LeastRequest, .least_request = {.full_scan = true}},
           set, {{}});
  Random random(5);
  std::map<HostIndex, int> seen;
  for (int i = 0; i < 2000; ++i) ++seen[balancer->pick(random, {}, kNow)];
  CHECK(seen.size() == 2);
  CHECK(seen[1] == Approx(1000).margin(100));
  CHECK(seen[3] == Approx(1000).margin(100));
}

TEST_CASE("balance: the priorities of hosts tried are left, while another has hosts", "[balance]") {
  auto balancer = make({.healthy_panic_percent = 0}, hosts({2, 2, 1}),
                       {{.priority = 0}, {.priority = 1}, {.priority = 2}});
  Random random(3);
  const auto groups = [&](std::vector<HostIndex> left) {
    std::map<uint32_t, int> seen;
    for (int i = 0; i < 50; ++i)
      ++seen[balancer->host(balancer->pick(random, {.left = left}, kNow)).group];
    return seen.size() == 1 ? int(seen.begin()->first) : -1;
  };
  CHECK(groups({}) == 0);
  CHECK(groups({0}) == 1);
  CHECK(groups({0, 1}) == 1);
  CHECK(groups({0, 2}) == 2);
  CHECK(groups({0, 2, 4}) == 0);  // all were: as if none
  balancer->set_health(2, Health::Unhealthy);
  balancer->set_health(3, Health::Unhealthy);
  CHECK(groups({0}) == 2);
}
