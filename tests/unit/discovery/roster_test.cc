// Who is expected to watch: discoveryd(8), "Forwarders".

#include "discovery/roster.h"

#include <catch2/catch.hpp>

using namespace mesh;
using namespace mesh::discovery;
using namespace std::chrono_literals;

namespace {

const Instant kNow{1000s};

Roster::Forwarder workload(const std::string& name) { return {.ns = "demo", .workload = name}; }

}  // namespace

TEST_CASE("roster: who went without a word is expected for the time of a lease", "[discovery]") {
  Roster roster;
  roster.arrive("web@h", workload("web-1"));
  CHECK_FALSE(roster.next_expiry());
  roster.leave("web@h", kNow);
  REQUIRE(roster.next_expiry() == kNow + Roster::kAwayMax);
  roster.expire(kNow + Roster::kAwayMax - 1ms);
  CHECK(roster.forwarders().contains("web@h"));
  // Back in time.
  roster.arrive("web@h", workload("web-1"));
  CHECK_FALSE(roster.next_expiry());
  roster.leave("web@h", kNow);
  roster.expire(kNow + Roster::kAwayMax);
  CHECK(roster.forwarders().empty());
}

TEST_CASE("roster: who said that it ends is not expected", "[discovery]") {
  Roster roster;
  roster.arrive("web@h", workload("web-1"));
  roster.arrive("web@h", {.ns = "demo", .workload = "web-1", .ending = true});
  roster.leave("web@h", kNow);
  CHECK(roster.forwarders().empty());
}

TEST_CASE("roster: after a restart all are expected back", "[discovery]") {
  Roster before;
  before.arrive("web@h", workload("web-1"));
  before.arrive("client@h", workload(""));
  Roster roster;
  REQUIRE(roster.restore(before.save(), kNow));
  REQUIRE(roster.forwarders().size() == 2);
  CHECK(roster.forwarders().at("web@h").workload == "web-1");
  CHECK(roster.next_expiry() == kNow + Roster::kReturnMax);
  roster.arrive("client@h", workload(""));
  roster.expire(kNow + Roster::kReturnMax);
  CHECK(roster.forwarders().size() == 1);
  CHECK(roster.forwarders().contains("client@h"));
  CHECK_FALSE(roster.restore("garbage", kNow));
  CHECK(roster.forwarders().size() == 1);
}

TEST_CASE("roster: saved anew only for what is saved", "[discovery]") {
  Roster roster;
  roster.arrive("web@h", workload("web-1"));
  const uint64_t saved = roster.revision();
  roster.leave("web@h", kNow);
  roster.arrive("web@h", workload("web-1"));
  CHECK(roster.revision() == saved);
  roster.leave("web@h", kNow);
  roster.expire(kNow + Roster::kAwayMax);
  CHECK(roster.revision() != saved);
}

TEST_CASE("roster: is bounded", "[discovery]") {
  Roster roster;
  for (size_t i = 0; i <= Roster::kForwardersMax; ++i)
    roster.arrive("f" + std::to_string(i), workload("f"));
  CHECK(roster.forwarders().size() == Roster::kForwardersMax);
}
