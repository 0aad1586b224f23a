// Consistent hashing: mesh-routing(7), "LOAD BALANCING". A million keys.

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <string>

#include "balance/hash.h"
#include "balance/hash_tables.h"
#include "balance/maglev.h"
#include "balance/picker.h"

using namespace mesh;
using balance::Algorithm;
using balance::HashOptions;
using balance::HostIndex;
using balance::Member;

namespace {

constexpr uint32_t kKeys = 1'000'000;

struct Set {
  explicit Set(std::vector<double> weights) {
    for (size_t i = 0; i < weights.size(); ++i)
      names.push_back("10.0.0." + std::to_string(i + 1) + ":8080");
    for (size_t i = 0; i < weights.size(); ++i)
      members.push_back({.host = HostIndex(i), .weight = weights[i], .key = names[i]});
  }
  Set without(HostIndex host) const {
    Set rest({});
    rest.names = names;
    for (const Member& m : members)
      if (m.host != host)
        rest.members.push_back({.host = m.host, .weight = m.weight, .key = rest.names[m.host]});
    return rest;
  }
  std::vector<std::string> names;
  std::vector<Member> members;
};

std::unique_ptr<balance::Picker> make(const balance::Options& options, const Set& set) {
  auto picker = balance::make_picker(options);
  picker->set_members(set.members);
  return picker;
}

std::vector<uint32_t> place(balance::Picker& picker, uint32_t keys = kKeys) {
  Random random(1);
  std::vector<uint32_t> hosts;
  hosts.reserve(keys);
  for (uint32_t i = 0; i < keys; ++i)
    hosts.push_back(picker.choose(random, balance::hash64("user-" + std::to_string(i)), 0));
  return hosts;
}

std::vector<double> shares(const std::vector<uint32_t>& hosts, size_t n) {
  std::vector<double> result(n);
  for (const uint32_t h : hosts) result[h] += 1.0 / double(hosts.size());
  return result;
}

// Of a million keys: those that the host had, and those that moved when it went.
std::pair<uint32_t, uint32_t> leave(const balance::Options& options, size_t n, HostIndex host) {
  const Set set(std::vector<double>(n, 1));
  const Set rest = set.without(host);
  auto before = make(options, set);
  auto after = make(options, rest);
  const auto was = place(*before);
  const auto is = place(*after);
  uint32_t had = 0;
  uint32_t moved = 0;
  for (uint32_t i = 0; i < kKeys; ++i) {
    had += was[i] == host;
    moved += was[i] != is[i];
  }
  return {had, moved};
}

}  // namespace

TEST_CASE("balance: the hash is xxHash64, seed 0", "[balance]") {
  CHECK(balance::hash64("") == 0xef46db3751d8e999U);
  CHECK(balance::hash64("a") == 0xd24ec4f1a98c6e5bU);
}

TEST_CASE("balance: when one of n hosts goes, near 1/n of a million keys move", "[balance]") {
  const auto [had, moved] = leave({.algorithm = Algorithm::Maglev}, 10, 3);
  CHECK(double(had) / kKeys == Approx(0.1).margin(0.005));
  CHECK(double(moved) / kKeys == Approx(0.1).margin(0.035));
  // A ring on which the others' points stay as many, but for the rounding of their
  // sum, moves the keys of the host that went and hardly any other.
  const auto [ring_had, ring_moved] =
      leave({.algorithm = Algorithm::RingHash, .hash = {.minimum_ring_size = 2048}}, 100, 42);
  CHECK(ring_moved < ring_had + ring_had / 50);
  CHECK(double(ring_had) / kKeys == Approx(0.01).margin(0.007));
  // Envoy's ring keeps its size: of few hosts the others get more points, and keys with them.
  const auto [few_had, few_moved] =
      leave({.algorithm = Algorithm::RingHash, .hash = {.minimum_ring_size = 16384}}, 10, 3);
  CHECK(double(few_had) / kKeys == Approx(0.1).margin(0.015));
  CHECK(few_moved < 2 * few_had);
}

TEST_CASE("balance: hashed hosts get shares by weight", "[balance]") {
  const Set set({1, 2, 5});
  for (const Algorithm algorithm : {Algorithm::RingHash, Algorithm::Maglev}) {
    auto picker = make({.algorithm = algorithm, .hash = {.minimum_ring_size = 65536}}, set);
    const auto share = shares(place(*picker, 200'000), 3);
    CHECK(share[0] == Approx(0.125).margin(0.015));
    CHECK(share[1] == Approx(0.25).margin(0.02));
    CHECK(share[2] == Approx(0.625).margin(0.025));
  }
}

TEST_CASE("balance: the order of hosts does not matter to a key", "[balance]") {
  const Set set(std::vector<double>(7, 1));
  Set turned(std::vector<double>(7, 1));
  std::reverse(turned.members.begin(), turned.members.end());
  for (const Algorithm algorithm :
       {Algorithm::RingHash, Algorithm::Maglev, Algorithm::ModuloHash}) {
    auto a = make({.algorithm = algorithm}, set);
    auto b = make({.algorithm = algorithm}, turned);
    CHECK(place(*a, 10000) == place(*b, 10000));
  }
}

TEST_CASE("balance: a ring keeps within its sizes", "[balance]") {
  const Set set(std::vector<double>(3, 1));
  CHECK(balance::make_ring(set.members, 1024, 8 << 20).ring.size() == 1026);
  CHECK(balance::make_ring(set.members, 1024, 1024).ring.size() == 1024);
  CHECK(balance::make_ring(set.members, 1, 8).ring.size() == 3);
  CHECK(balance::make_maglev(set.members, 251).slots.size() == 251);
}

TEST_CASE("balance: a Maglev table has a prime size", "[balance]") {
  CHECK(balance::is_table_size(65537));
  CHECK(balance::is_table_size(5000011));
  CHECK(balance::is_table_size(2));
  for (const uint64_t size : {0U, 1U, 4U, 65536U, 65535U, 5000013U, 5000039U})
    CHECK_FALSE(balance::is_table_size(size));
}

TEST_CASE("balance: modulo is even, and stays while the hosts do", "[balance]") {
  const Set set(std::vector<double>(4, 1));
  auto picker = make({.algorithm = Algorithm::ModuloHash}, set);
  Random random(1);
  for (uint64_t hash = 0; hash < 100; ++hash) CHECK(picker->choose(random, hash, 0) == hash % 4);
  for (const double share : shares(place(*picker, 100'000), 4))
    CHECK(share == Approx(0.25).margin(0.01));
}

TEST_CASE("balance: bounded load lets no host have more than its share", "[balance]") {
  for (const Algorithm algorithm :
       {Algorithm::RingHash, Algorithm::Maglev, Algorithm::ModuloHash}) {
    Set set(std::vector<double>(5, 1));
    std::vector<std::atomic<uint32_t>> active(5);
    for (size_t i = 0; i < 5; ++i) set.members[i].active = &active[i];
    auto picker = make({.algorithm = algorithm, .hash = {.hash_balance_factor = 125}}, set);
    Random random(1);
    const uint64_t hot = balance::hash64("everybody");
    const HostIndex first = picker->choose(random, hot, 0);
    uint32_t total = 0;
    for (; total < 1000; ++total) {
      const HostIndex host = picker->choose(random, hot, 0);
      ++active[host];
      if (total == 0) CHECK(host == first);
      const double bound = std::ceil(double(((total + 1) * 125 + 99) / 100) / 5.0);
      REQUIRE(double(active[host].load()) <= std::max(1.0, bound));
    }
    // Four at 125 percent of the mean hold it all.
    CHECK(std::count_if(active.begin(), active.end(),
                        [](const auto& count) { return count.load() > 0; }) >= 4);
    // Alone again, the key is where it was.
    for (auto& count : active) count = 0;
    CHECK(picker->choose(random, hot, 0) == first);
  }
}

TEST_CASE("balance: workers share a table", "[balance]") {
  const Set set(std::vector<double>(3, 1));
  balance::HashTables tables;
  const auto first = tables.find(Algorithm::Maglev, {}, set.members);
  CHECK(tables.find(Algorithm::Maglev, {}, set.members) == first);
  CHECK(tables.find(Algorithm::RingHash, {}, set.members) != first);
  CHECK(tables.find(Algorithm::Maglev, {.table_size = 251}, set.members) != first);
  CHECK(tables.find(Algorithm::Maglev, {}, set.without(0).members) != first);
}

TEST_CASE("balance: another attempt is another place", "[balance]") {
  const Set set(std::vector<double>(8, 1));
  for (const Algorithm algorithm : {Algorithm::Maglev, Algorithm::ModuloHash}) {
    auto picker = make({.algorithm = algorithm}, set);
    Random random(1);
    int other = 0;
    for (uint64_t i = 0; i < 1000; ++i) {
      const uint64_t hash = balance::hash64(std::to_string(i));
      other += picker->choose(random, hash, 0) != picker->choose(random, hash, 1);
    }
    CHECK(other > 800);
  }
}
