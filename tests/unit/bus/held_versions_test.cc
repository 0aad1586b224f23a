// What watchers hold, in little memory.

#include "bus/held_versions.h"

#include <catch2/catch.hpp>
#include <map>

#include "base/random.h"

using namespace mesh;
using bus::HeldVersions;
using bus::NameTable;

TEST_CASE("name table: a name is kept once, for as long as somebody has it", "[bus]") {
  NameTable table;
  const auto a = table.take("a");
  const auto b = table.take("b");
  CHECK(table.take("a") == a);
  CHECK(a != b);
  CHECK(table.find("a") == a);
  CHECK(!table.find("c"));
  table.release(a);
  CHECK(table.name(a) == "a");
  table.release(a);
  CHECK(!table.find("a"));
  CHECK(table.name(b) == "b");
  CHECK(table.take("c") == a);  // a number that is free is given again
  CHECK(table.name(a) == "c");
  CHECK(table.size() == 2);
}

TEST_CASE("held versions: an empty version is told apart from all others", "[bus]") {
  CHECK(HeldVersions::version_of("") == HeldVersions::kAbsent);
  CHECK(HeldVersions::version_of("0") != HeldVersions::kAbsent);
  CHECK(HeldVersions::version_of("1") != HeldVersions::version_of("2"));
}

TEST_CASE("held versions: what was held before is confirmed one by one, or taken", "[bus]") {
  NameTable table;
  HeldVersions held(table);
  held.put({{"c", 1}, {"a", 1}, {"b", 1}}, false);
  held.put({{"d", 1}});
  held.confirm("b");
  held.confirm("nobody's");
  CHECK(held.take_unconfirmed() == std::vector<std::string>{"a", "c"});
  CHECK(held.take_unconfirmed().empty());
  held.put({{"a", 2}}, false);  // confirmed stays confirmed
  CHECK(held.take_unconfirmed().empty());
  CHECK(held.find("a") == 2U);
}

// Against a map, with two watchers that share the names.
TEST_CASE("held versions: puts, erasures and other watchers, in any order", "[bus]") {
  const auto seed = GENERATE(range(1, 21));
  INFO("seed " << seed);
  Random random{uint64_t(seed)};
  NameTable table;
  {
    HeldVersions held[2] = {HeldVersions(table), HeldVersions(table)};
    std::map<std::string, uint64_t> truth[2];
    for (int step = 0; step < 300; ++step) {
      const size_t who = random.below(2);
      std::map<std::string, uint64_t> some;
      for (uint64_t n = random.below(5); n > 0; --n)
        some[std::string(1, char('a' + random.below(12)))] = random.below(3);
      if (random.below(3) == 0) {
        HeldVersions::Names names;
        for (const auto& [name, version] : some) names.push_back(name);
        held[who].erase(names);
        for (const auto& [name, version] : some) truth[who].erase(name);
      } else if (random.below(8) == 0) {
        held[who].erase_if([](const std::string& name) { return name < "f"; });
        std::erase_if(truth[who], [](const auto& entry) { return entry.first < "f"; });
      } else {
        HeldVersions::Fresh fresh(some.begin(), some.end());
        held[who].put(fresh, random.below(2) == 0);
        for (const auto& [name, version] : some) truth[who][name] = version;
      }
      for (size_t i = 0; i < 2; ++i) {
        REQUIRE(held[i].size() == truth[i].size());
        for (const auto& [name, version] : truth[i]) REQUIRE(held[i].find(name) == version);
      }
    }
  }
  CHECK(table.size() == 0);
}
