// Which host is picked: mesh-routing(7), "LOAD BALANCING". Seeds are fixed.

#include "balance/picker.h"

#include <array>
#include <catch2/catch.hpp>
#include <deque>
#include <map>
#include <string>

using namespace mesh;
using balance::Algorithm;
using balance::Host;
using balance::HostIndex;
using balance::kNoHost;

namespace {

std::vector<Host> weights(std::initializer_list<uint32_t> list) {
  std::vector<Host> hosts;
  for (const uint32_t weight : list) hosts.push_back({weight, true, nullptr});
  return hosts;
}

std::map<HostIndex, int> counts(balance::Picker& picker, int picks, uint64_t seed = 1) {
  Random random(seed);
  std::map<HostIndex, int> result;
  for (int i = 0; i < picks; ++i) ++result[picker.pick(random)];
  return result;
}

constexpr Algorithm kAll[] = {Algorithm::RoundRobin, Algorithm::Random, Algorithm::LeastRequest};

}  // namespace

TEST_CASE("balance: no host, none picked", "[balance]") {
  Random random(1);
  for (const Algorithm algorithm : kAll) {
    CHECK(balance::make_picker({.algorithm = algorithm}, {})->pick(random) == kNoHost);
    auto one = balance::make_picker({.algorithm = algorithm, .panic_percent = 0}, weights({1}));
    CHECK(one->pick(random) == 0);
    one->set_available(0, false);
    CHECK(one->pick(random) == kNoHost);
  }
}

TEST_CASE("balance: round robin goes round", "[balance]") {
  auto picker = balance::make_picker({}, weights({1, 1, 1}));
  Random random(1);
  std::string order;
  for (int i = 0; i < 6; ++i) order += char('a' + picker->pick(random));
  CHECK(order == "abcabc");
  auto later = balance::make_picker({.seed = 2}, weights({1, 1, 1}));
  CHECK(later->pick(random) == 2);
}

TEST_CASE("balance: round robin by weight is exact and smooth", "[balance]") {
  auto picker = balance::make_picker({.seed = 5}, weights({3, 1, 6}));
  Random random(1);
  std::map<HostIndex, int> seen;
  int longest_gap = 0;
  int gap = 0;
  for (int i = 0; i < 1000; ++i) {
    const HostIndex picked = picker->pick(random);
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
  auto picker = balance::make_picker({}, weights({1, 2}));
  counts(*picker, 4'000'000);  // past where the times are moved back
  auto seen = counts(*picker, 3000);
  CHECK(seen[0] == Approx(1000).margin(1));
}

TEST_CASE("balance: every algorithm honours weights when idle", "[balance]") {
  for (const Algorithm algorithm : kAll) {
    auto picker = balance::make_picker({.algorithm = algorithm}, weights({70, 20, 10, 0}));
    auto seen = counts(*picker, 100000);
    CHECK(seen[0] == Approx(69300).margin(700));
    CHECK(seen[1] == Approx(19800).margin(500));
    CHECK(seen[2] == Approx(9900).margin(500));
    CHECK(seen[3] == Approx(990).margin(150));  // 0 counts as 1
  }
}

TEST_CASE("balance: every algorithm is even with one weight", "[balance]") {
  for (const Algorithm algorithm : kAll) {
    auto picker = balance::make_picker({.algorithm = algorithm}, weights({5, 5, 5, 5}));
    for (const auto& [host, n] : counts(*picker, 40000)) CHECK(n == Approx(10000).margin(400));
  }
}

TEST_CASE("balance: least request avoids the busy host", "[balance]") {
  std::array<std::atomic<uint32_t>, 3> active{0, 50, 0};
  std::vector<Host> hosts;
  for (auto& count : active) hosts.push_back({1, true, &count});
  auto picker = balance::make_picker({.algorithm = Algorithm::LeastRequest}, hosts);
  auto seen = counts(*picker, 9000);
  CHECK(seen[1] == Approx(1000).margin(150));  // both draws hit it: one ninth
  CHECK(seen[0] + seen[2] + seen[1] == 9000);
}

TEST_CASE("balance: least request keeps the number in flight in proportion to weight",
          "[balance]") {
  std::array<std::atomic<uint32_t>, 3> active{0, 0, 0};
  std::vector<Host> hosts;
  const uint32_t weight[] = {4, 2, 1};
  for (size_t i = 0; i < 3; ++i) hosts.push_back({weight[i], true, &active[i]});
  auto picker = balance::make_picker({.algorithm = Algorithm::LeastRequest}, hosts);
  Random random(3);
  std::deque<HostIndex> flying;
  for (int i = 0; i < 20000; ++i) {
    const HostIndex picked = picker->pick(random);
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
    auto picker = balance::make_picker({.algorithm = algorithm}, weights({1, 1, 1, 1}));
    picker->set_available(0, false);
    picker->set_available(2, false);
    CHECK_FALSE(picker->panic());  // 50% are not fewer than 50%
    auto seen = counts(*picker, 1000);
    CHECK(seen.size() == 2);
    CHECK(seen.count(0) + seen.count(2) == 0);

    picker->set_available(3, false);
    CHECK(picker->panic());
    CHECK(picker->available() == 1);
    CHECK(counts(*picker, 1000).size() == 4);

    picker->set_available(3, true);
    CHECK_FALSE(picker->panic());
    CHECK(counts(*picker, 1000).size() == 2);
  }
}

TEST_CASE("balance: without a panic threshold the last host takes all", "[balance]") {
  auto picker = balance::make_picker({.panic_percent = 0}, weights({1, 1, 1}));
  picker->set_available(0, false);
  picker->set_available(1, false);
  CHECK_FALSE(picker->panic());
  CHECK(counts(*picker, 100) == std::map<HostIndex, int>{{2, 100}});
}

TEST_CASE("balance: a tried host is not picked while there is another", "[balance]") {
  for (const Algorithm algorithm : kAll) {
    auto picker = balance::make_picker({.algorithm = algorithm}, weights({1000, 1, 1}));
    Random random(11);
    const HostIndex first[] = {0};
    const HostIndex two[] = {0, 1};
    const HostIndex all[] = {0, 1, 2};
    for (int i = 0; i < 1000; ++i) {
      CHECK(picker->pick(random, first) != 0);
      CHECK(picker->pick(random, two) == 2);
      CHECK(picker->pick(random, all) <= 2);
    }
  }
}
