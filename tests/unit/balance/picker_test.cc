// Which host is picked: mesh-routing(7), "LOAD BALANCING". Seeds are fixed.

#include "balance/balancer.h"

#include <array>
#include <catch2/catch.hpp>
#include <deque>
#include <map>
#include <set>
#include <string>

using namespace mesh;
using balance::Algorithm;
using balance::Health;
using balance::Host;
using balance::HostIndex;
using balance::kNoHost;

namespace {

constexpr Instant kNow{};

std::vector<Host> weights(std::initializer_list<uint32_t> list) {
  std::vector<Host> hosts;
  for (const uint32_t weight : list) hosts.push_back({.weight = weight});
  return hosts;
}

using Made = std::unique_ptr<balance::Balancer>;
Made make(balance::Options options, std::vector<Host> hosts) {
  return std::make_unique<balance::Balancer>(balance::Config{.options = options}, std::move(hosts),
                                             std::vector<balance::Group>(1));
}

HostIndex pick(balance::Balancer& balancer, Random& random, std::span<const HostIndex> tried = {}) {
  return balancer.pick(random, {.tried = tried}, kNow);
}

std::map<HostIndex, int> counts(balance::Balancer& balancer, int picks, uint64_t seed = 1) {
  Random random(seed);
  std::map<HostIndex, int> result;
  for (int i = 0; i < picks; ++i) ++result[pick(balancer, random)];
  return result;
}

constexpr Algorithm kAll[] = {Algorithm::RoundRobin, Algorithm::Random, Algorithm::LeastRequest};

}  // namespace

TEST_CASE("balance: no host, none picked", "[balance]") {
  Random random(1);
  for (const Algorithm algorithm : kAll) {
    CHECK(pick(*make({.algorithm = algorithm}, {}), random) == kNoHost);
    auto one = make({.algorithm = algorithm, .healthy_panic_percent = 0}, weights({1}));
    CHECK(pick(*one, random) == 0);
    one->set_health(0, Health::Unhealthy);
    CHECK(pick(*one, random) == kNoHost);
  }
}

TEST_CASE("balance: round robin goes round", "[balance]") {
  auto picker = make({}, weights({1, 1, 1}));
  Random random(1);
  HostIndex last = pick(*picker, random);
  for (int i = 0; i < 6; ++i) {
    const HostIndex next = pick(*picker, random);
    CHECK(next == (last + 1) % 3);
    last = next;
  }
  std::set<HostIndex> firsts;  // workers do not begin with the same
  for (uint64_t seed = 0; seed < 32; ++seed)
    firsts.insert(pick(*make({.seed = seed}, weights({1, 1, 1})), random));
  CHECK(firsts.size() == 3);
}

TEST_CASE("balance: round robin by weight is exact and smooth", "[balance]") {
  auto picker = make({.seed = 5}, weights({3, 1, 6}));
  Random random(1);
  std::map<HostIndex, int> seen;
  int longest_gap = 0;
  int gap = 0;
  for (int i = 0; i < 1000; ++i) {
    const HostIndex picked = pick(*picker, random);
    ++seen[picked];
    gap = picked == 2 ? 0 : gap + 1;
    longest_gap = std::max(longest_gap, gap);
  }
  CHECK(seen[0] == Approx(300).margin(1));
  CHECK(seen[1] == Approx(100).margin(1));
  CHECK(seen[2] == Approx(600).margin(1));
  CHECK(longest_gap <= 2);
}

TEST_CASE("balance: a long-running weighted round robin keeps its shares", "[balance]") {
  auto picker = make({}, weights({1, 2}));
  counts(*picker, 4'000'000);  // past where the times are moved back
  auto seen = counts(*picker, 3000);
  CHECK(seen[0] == Approx(1000).margin(1));
}

TEST_CASE("balance: every algorithm honours weights when idle", "[balance]") {
  for (const Algorithm algorithm : kAll) {
    auto picker = make({.algorithm = algorithm}, weights({70, 20, 10, 0}));
    auto seen = counts(*picker, 100000);
    CHECK(seen[0] == Approx(69300).margin(700));
    CHECK(seen[1] == Approx(19800).margin(500));
    CHECK(seen[2] == Approx(9900).margin(500));
    CHECK(seen[3] == Approx(990).margin(150));  // 0 counts as 1
  }
}

TEST_CASE("balance: every algorithm is even with one weight", "[balance]") {
  for (const Algorithm algorithm : kAll) {
    auto picker = make({.algorithm = algorithm}, weights({5, 5, 5, 5}));
    for (const auto& [host, n] : counts(*picker, 40000)) CHECK(n == Approx(10000).margin(400));
  }
}

TEST_CASE("balance: least request avoids the busy host", "[balance]") {
  std::array<std::atomic<uint32_t>, 3> active{0, 50, 0};
  std::vector<Host> hosts;
  for (auto& count : active) hosts.push_back({.active = &count});
  auto picker = make({.algorithm = Algorithm::LeastRequest}, hosts);
  auto seen = counts(*picker, 9000);
  CHECK(seen[1] == Approx(1000).margin(150));  // both draws hit it: one ninth
  CHECK(seen[0] + seen[2] + seen[1] == 9000);
}

TEST_CASE("balance: least request keeps the number in flight in proportion to weight",
          "[balance]") {
  std::array<std::atomic<uint32_t>, 3> active{0, 0, 0};
  std::vector<Host> hosts;
  const uint32_t weight[] = {4, 2, 1};
  for (size_t i = 0; i < 3; ++i) hosts.push_back({.weight = weight[i], .active = &active[i]});
  auto picker = make({.algorithm = Algorithm::LeastRequest}, hosts);
  Random random(3);
  std::deque<HostIndex> flying;
  for (int i = 0; i < 20000; ++i) {
    const HostIndex picked = pick(*picker, random);
    ++active[picked];
    flying.push_back(picked);
    if (flying.size() < 700) continue;
    --active[flying.front()];
    flying.pop_front();
  }
  CHECK(active[0].load() == Approx(400).margin(10));
  CHECK(active[1].load() == Approx(200).margin(10));
  CHECK(active[2].load() == Approx(100).margin(10));
}

TEST_CASE("balance: unavailable hosts are left out until panic", "[balance]") {
  for (const Algorithm algorithm : kAll) {
    auto picker = make({.algorithm = algorithm}, weights({1, 1, 1, 1}));
    picker->set_health(0, Health::Unhealthy);
    picker->set_health(2, Health::Unhealthy);
    auto seen = counts(*picker, 1000);
    CHECK_FALSE(picker->shares()[0].panic);  // 50% are not fewer than 50%
    CHECK(seen.size() == 2);
    CHECK(seen.count(0) + seen.count(2) == 0);

    picker->set_health(3, Health::Unhealthy);
    CHECK(counts(*picker, 1000).size() == 4);
    CHECK(picker->shares()[0].panic);
    CHECK(picker->stats().counts[balance::Stats::HealthyPanic] == 1000);

    picker->set_health(3, Health::Healthy);
    CHECK(counts(*picker, 1000).size() == 2);
    CHECK_FALSE(picker->shares()[0].panic);
  }
}

TEST_CASE("balance: without a panic threshold the last host takes all", "[balance]") {
  auto picker = make({.healthy_panic_percent = 0}, weights({1, 1, 1}));
  picker->set_health(0, Health::Unhealthy);
  picker->set_health(1, Health::Unhealthy);
  CHECK(counts(*picker, 100) == std::map<HostIndex, int>{{2, 100}});
}

TEST_CASE("balance: a tried host is not picked while there is another", "[balance]") {
  for (const Algorithm algorithm : kAll) {
    auto picker = make({.algorithm = algorithm}, weights({1000, 1, 1}));
    Random random(11);
    const HostIndex first[] = {0};
    const HostIndex two[] = {0, 1};
    const HostIndex all[] = {0, 1, 2};
    for (int i = 0; i < 1000; ++i) {
      CHECK(pick(*picker, random, first) != 0);
      CHECK(pick(*picker, random, two) == 2);
      CHECK(pick(*picker, random, all) <= 2);
    }
  }
}
