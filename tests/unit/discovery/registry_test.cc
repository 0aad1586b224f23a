#include "discovery/registry.h"

#include <catch2/catch.hpp>

namespace {

using namespace mesh;
using namespace mesh::discovery;
using namespace std::chrono_literals;
using State = Workload::State;

const Registry::Key kKey{"demo", "v4"};

Workload instance(const std::string& address = "127.0.0.1") {
  return {.ns = "demo",
          .name = "v4",
          .address = address,
          .ports = {{"http", 20014}},
          .labels = {{"app", "reviews"}},
          .locality = {},
          .service_account = "reviews",
          .source = Workload::Source::Registered};
}

TEST_CASE("registering again is no change, and renews the lease") {
  ManualClock clock;
  Registry registry({});
  CHECK(*registry.add(instance(), 10s, clock.now()));
  clock.advance(9s);
  CHECK_FALSE(*registry.add(instance(), 10s, clock.now()));
  clock.advance(9s);
  CHECK_FALSE(registry.expire(clock.now()));
  CHECK(registry.lease_left(kKey, clock.now()) == Duration(1s));
  CHECK(registry.next_expiry() == clock.now() + 1s);
  clock.advance(1s);
  CHECK(registry.expire(clock.now()));
  CHECK(registry.lease_left(kKey, clock.now()) == std::nullopt);
}

TEST_CASE("whose lease lapsed is unconfirmed, not gone, until it renews, is ill or leaves") {
  ManualClock clock;
  Registry registry({.unconfirmed_max = 10min});
  REQUIRE(registry.add(instance(), 10s, clock.now()));
  clock.advance(10s);
  CHECK(registry.expire(clock.now()));
  CHECK(registry.take_changes().contains(kKey));
  REQUIRE(registry.workloads().size() == 1);
  CHECK(registry.workloads()[0].unconfirmed);
  CHECK(registry.workloads()[0].state == State::Present);
  CHECK(registry.unconfirmed() == std::vector{kKey});
  clock.advance(9min);
  CHECK_FALSE(registry.expire(clock.now()));
  CHECK(registry.overdue(clock.now()).empty());
  CHECK(registry.unconfirmed(kKey, clock.now()) == Duration(9min));
  SECTION("renewed") {
    CHECK(*registry.add(instance(), 10s, clock.now()));
    CHECK(registry.unconfirmed().empty());
    CHECK_FALSE(registry.workloads().at(0).unconfirmed);
  }
  SECTION("deregistered") {
    CHECK(registry.remove(kKey));
    CHECK(registry.workloads().empty());
  }
  SECTION("found ill") {
    CHECK(registry.set_illness(kKey, "503"));
    CHECK(registry.workloads().empty());
    CHECK_FALSE(registry.set_illness(kKey, "503"));
  }
  SECTION("its forwarder came and went") {
    registry.arrive(kKey, {}, false, clock.now());
    registry.leave(kKey, clock.now());
    CHECK(registry.expire(clock.now() + 1s));
    CHECK(registry.workloads().empty());
  }
  SECTION("after the limit it is for others to say whether it may go, across a restart") {
    clock.advance(1min);
    Registry after({.unconfirmed_max = 10min});
    REQUIRE(after.restore(registry.save(clock.now()), clock.now()));
    for (const Registry* one : {&registry, &after}) {
      CHECK(one->overdue(clock.now()) == std::vector{kKey});
      CHECK(one->workloads().size() == 1);
    }
  }
}

TEST_CASE("an ill instance whose lease lapses leaves") {
  ManualClock clock;
  Registry registry({});
  REQUIRE(registry.add(instance(), 10s, clock.now()));
  CHECK(registry.set_illness(kKey, "503"));
  CHECK(health_of(*registry.find(kKey)) == "UNHEALTHY");
  clock.advance(10s);
  CHECK(registry.expire(clock.now()));
  CHECK(registry.workloads().empty());
}

TEST_CASE("without a lease it stays until it is taken back") {
  ManualClock clock;
  Registry registry({});
  CHECK(*registry.add(instance(), 0s, clock.now()));
  clock.advance(1000h);
  CHECK_FALSE(registry.expire(clock.now()));
  CHECK(registry.remove(kKey));
  CHECK_FALSE(registry.remove(kKey));
}

TEST_CASE("what cannot be an endpoint is refused, and there is a limit") {
  ManualClock clock;
  Registry registry({.registrations_max = 1});
  CHECK(registry.add(instance("example.org"), 0s, clock.now()).error().kind == Errc::Invalid);
  Workload bad = instance();
  bad.name = "a/b";
  CHECK(registry.add(bad, 0s, clock.now()).error().kind == Errc::Invalid);
  bad = instance();
  bad.ports.set("http", 70000);
  CHECK(registry.add(bad, 0s, clock.now()).error().kind == Errc::Invalid);
  CHECK(*registry.add(instance(), 0s, clock.now()));
  Workload other = instance();
  other.name = "v5";
  CHECK(registry.add(other, 0s, clock.now()).error().kind == Errc::TooBig);
  CHECK(*registry.add(instance("127.0.0.2"), 0s, clock.now()));
}

TEST_CASE("a configured instance is absent a grace after its forwarder went") {
  ManualClock clock;
  Registry registry({.absence_grace = 2s});
  CHECK(registry.state(kKey) == State::Present);  // no forwarder was ever seen
  CHECK_FALSE(registry.arrive(kKey, {}, false, clock.now()));
  CHECK_FALSE(registry.arrive(kKey, {}, false, clock.now()));  // its second watch
  registry.leave(kKey, clock.now());
  clock.advance(1h);
  CHECK_FALSE(registry.expire(clock.now()));
  registry.leave(kKey, clock.now());
  CHECK_FALSE(registry.expire(clock.now() + 1s));
  CHECK(registry.expire(clock.now() + 2s));
  CHECK(registry.state(kKey) == State::Absent);
  CHECK(registry.arrive(kKey, {}, false, clock.now()));
  CHECK(registry.state(kKey) == State::Present);
}

TEST_CASE("a forwarder that comes back within the grace changes nothing") {
  ManualClock clock;
  Registry registry({.absence_grace = 2s});
  registry.arrive(kKey, {}, false, clock.now());
  registry.leave(kKey, clock.now());
  clock.advance(1s);
  CHECK_FALSE(registry.arrive(kKey, {}, false, clock.now()));
  clock.advance(1h);
  CHECK_FALSE(registry.expire(clock.now()));
}

TEST_CASE("a forwarder registers its own instance for as long as it is there") {
  ManualClock clock;
  Registry registry({.absence_grace = 2s});
  CHECK(registry.arrive(kKey, instance(), false, clock.now()));
  REQUIRE(registry.workloads().size() == 1);
  CHECK(registry.workloads()[0].source == Workload::Source::Forwarder);
  registry.leave(kKey, clock.now());
  CHECK(registry.expire(clock.now() + 2s));
  CHECK(registry.workloads().empty());
}

TEST_CASE("draining takes it out at once") {
  ManualClock clock;
  Registry registry({});
  registry.arrive(kKey, instance(), false, clock.now());
  CHECK(registry.arrive(kKey, instance(), true, clock.now()));
  CHECK(registry.workloads().at(0).state == State::Draining);
}

TEST_CASE("of several forwarders of an instance all have to drain") {
  ManualClock clock;
  Registry registry({});
  registry.arrive(kKey, instance(), false, clock.now(), "one");
  registry.arrive(kKey, instance(), false, clock.now(), "other");
  // One of them ends, in its words and by a call; the other is still there.
  registry.leave(kKey, clock.now(), "other");
  CHECK_FALSE(registry.arrive(kKey, instance(), true, clock.now(), "other"));
  registry.drain(kKey);
  CHECK(registry.state(kKey) == State::Present);
  registry.leave(kKey, clock.now(), "other");
  CHECK_FALSE(registry.next_expiry());
  // The one that is left, too: then it ends.
  CHECK(registry.arrive(kKey, instance(), true, clock.now(), "one"));
  CHECK(registry.state(kKey) == State::Draining);
  registry.take_changes();
  // Another one comes and does not, and goes again.
  CHECK(registry.arrive(kKey, instance(), false, clock.now(), "other"));
  CHECK(registry.state(kKey) == State::Present);
  CHECK(registry.leave(kKey, clock.now(), "other"));
  CHECK(registry.state(kKey) == State::Draining);
  CHECK(registry.take_changes().contains(kKey));
}

TEST_CASE("after a restart all are there, and have a moment to come back") {
  ManualClock clock;
  Registry before({.absence_grace = 2s});
  Workload registered = instance();
  registered.name = "v5";
  CHECK(*before.add(registered, 5s, clock.now()));
  before.arrive(kKey, instance(), false, clock.now());
  before.arrive({"demo", "gone"}, {}, false, clock.now());
  before.leave({"demo", "gone"}, clock.now());
  before.expire(clock.now() + 2s);
  const std::string saved = before.save(clock.now());

  Registry after({.absence_grace = 2s, .start_grace = 30s});
  REQUIRE(after.restore(saved, clock.now()));
  CHECK(after.workloads() == before.workloads());
  CHECK(after.state({"demo", "gone"}) == State::Absent);
  CHECK_FALSE(after.expire(clock.now() + 29s));
  CHECK(after.expire(clock.now() + 30s));
  // What the forwarder registered went with it; what was registered by hand waits.
  REQUIRE(after.workloads().size() == 1);
  CHECK(after.workloads()[0].name == "v5");
  CHECK(after.workloads()[0].unconfirmed);
  CHECK(after.state(kKey) == State::Absent);

  SECTION("the time to come back begins when it can be done") {
    Registry late({.absence_grace = 2s, .start_grace = 30s});
    REQUIRE(late.restore(saved, clock.now()));
    late.await_return(clock.now() + 20s);
    CHECK(late.next_expiry() == clock.now() + 30s);  // the lease
    CHECK(late.expire(clock.now() + 30s));
    CHECK(late.state(kKey) == State::Present);
    CHECK(late.next_expiry() == clock.now() + 50s);
  }

  Registry garbage({});
  CHECK(garbage.restore("\xff\xff", clock.now()).error().kind == Errc::Invalid);
}

TEST_CASE("after a restart nobody is given up while others still come back") {
  ManualClock clock;
  const Instant start = clock.now();
  const auto key = [](int i) { return Registry::Key{"demo", "v" + std::to_string(i)}; };
  Registry before({});
  for (int i = 0; i < 100; ++i) before.arrive(key(i), {}, false, start);
  Registry after({.absence_grace = 1s, .start_grace = 5s});
  REQUIRE(after.restore(before.save(start), start));
  // One a second: whoever waits for its turn stays, for four graces at most.
  Instant now = start;
  for (int i = 0; i < 19; ++i, now += 1s) {
    after.arrive(key(i), {}, false, now);
    CHECK_FALSE(after.expire(now));
  }
  CHECK(after.next_expiry() == start + 20s);
  CHECK(after.expire(start + 20s));
  CHECK(after.state(key(18)) == State::Present);
  CHECK(after.state(key(19)) == State::Absent);
  // Who came back and goes is away after the ordinary grace.
  after.leave(key(0), start + 20s);
  CHECK(after.next_expiry() == start + 21s);

  // Once they stop coming, it is over after a moment.
  Registry again({.absence_grace = 1s, .start_grace = 5s});
  REQUIRE(again.restore(before.save(start), start));
  again.arrive(key(0), {}, false, start + 4s);
  CHECK(again.next_expiry() == start + 6s);
  again.arrive(key(0), {}, false, start + 5s);  // another watch of the same
  CHECK(again.next_expiry() == start + 6s);
}

}  // namespace
