// Watches over real sockets. mesh-bus(7), WATCHES.

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <optional>

#include "fixture.h"
#include "support/process.h"

using namespace mesh;
using namespace mesh::bus::test;
using bus::Allow;

namespace {

struct Served : Place {
  Served() {
    table.things = {{"a", "1"}, {"b", "1"}};
    start();
  }
  void start() {
    server.emplace(loop, options());
    server->serve(Allow::Anyone, kType, table);
    REQUIRE(server->bind());
    REQUIRE(server->start());
  }
  // As a daemon that was killed: nothing is told to its provider.
  void kill() {
    server.reset();
    table.watchers.clear();
  }
  template <class Fact>
  bool until(Fact fact) {
    return run_until(loop, fact);
  }
  event::Loop loop;
  Table table;
  std::optional<bus::Server> server;
};

}  // namespace

TEST_CASE("watch: all resources, then the marker, then what changes", "[bus]") {
  Served at;
  bus::Client client(at.loop, at.path);
  Memory sink;
  const auto watch = client.watch(kType, {.id = "w@h"}, sink);
  REQUIRE(at.until([&] { return sink.generation == "g1"; }));
  CHECK(sink.story() == "+a@1 +b@1 =g1");
  CHECK(sink.bodies["a"] == "a@1");
  CHECK(sink.links == "u");
  REQUIRE(at.table.watchers.size() == 1);
  CHECK((*at.table.watchers.begin())->node().id == "w@h");
  CHECK((*at.table.watchers.begin())->peer().uid == getuid());
  REQUIRE(at.until([&] { return at.table.acked_generation == "g1"; }));

  sink.told.clear();
  at.table.set("b", "2");
  at.table.remove("a");
  at.table.mark("g2");
  REQUIRE(at.until([&] { return sink.generation == "g2"; }));
  CHECK(sink.story() == "+b@2 -a =g2");
}

TEST_CASE("watch: responses are small while many bytes are unanswered", "[bus]") {
  Served at;
  at.server.reset();
  for (int i = 0; i < 50; ++i) at.table.things["thing-" + std::to_string(100 + i)] = "1";
  auto options = at.options();
  options.limits.response_bytes_least = 100;  // four of them
  const auto told_in = [&](size_t unanswered_bytes_max) {
    options.limits.unanswered_bytes_max = unanswered_bytes_max;
    at.server.emplace(at.loop, options);
    at.server->serve(Allow::Anyone, kType, at.table);
    REQUIRE(at.server->bind());
    REQUIRE(at.server->start());
    bus::Client client(at.loop, at.path);
    Memory sink;
    const auto watch = client.watch(kType, {.id = "w@h"}, sink);
    REQUIRE(at.until([&] { return sink.generation == "g1"; }));
    CHECK(sink.things == at.table.things);
    at.kill();
    return sink.updates;
  };
  CHECK(told_in(1 << 20) == 1);
  CHECK(told_in(0) > 10);
}

TEST_CASE("watch: in_force reaches the provider, and a new server too", "[bus]") {
  Served at;
  bus::Client client(at.loop, at.path);
  Memory sink;
  const auto watch = client.watch(kType, {}, sink);
  REQUIRE(at.until([&] { return sink.generation == "g1"; }));
  watch->in_force("g1");
  REQUIRE(at.until([&] { return at.table.in_force == "g1"; }));
  at.kill();
  at.table.in_force.clear();
  at.start();
  REQUIRE(at.until([&] { return at.table.in_force == "g1"; }));
}

TEST_CASE("watch: by name, also what does not exist; names come and go", "[bus]") {
  Served at;
  bus::Client client(at.loop, at.path);
  Memory sink;
  const auto watch = client.watch(kType, {}, sink, {"a", "nix"});
  REQUIRE(at.until([&] { return sink.generation == "g1"; }));
  CHECK(sink.story() == "+a@1 -nix =g1");

  sink.told.clear();
  watch->subscribe({"b"});
  REQUIRE(at.until([&] { return sink.things.contains("b"); }));
  at.table.set("nix", "1");
  REQUIRE(at.until([&] { return sink.things.contains("nix"); }));
  watch->unsubscribe({"a"});
  REQUIRE(at.until([&] { return !at.table.unsubscribed.empty(); }));
  sink.told.clear();
  at.table.set("a", "2");
  at.table.set("b", "2");
  REQUIRE(at.until([&] { return !sink.told.empty(); }));
  CHECK(sink.story() == "+b@2");
  CHECK(at.table.subscribed == std::vector<std::string>{"a", "nix", "b"});
}

TEST_CASE("watch: a replaced server sends only what changed, and what went", "[bus]") {
  Served at;
  at.table.things["c"] = "1";
  bus::Client client(at.loop, at.path);
  Memory sink;
  const auto watch = client.watch(kType, {}, sink);
  REQUIRE(at.until([&] { return sink.generation == "g1"; }));
  sink.told.clear();
  at.kill();
  at.table.things = {{"a", "1"}, {"b", "2"}};
  at.table.generation = "g2";
  at.start();
  REQUIRE(at.until([&] { return sink.generation == "g2"; }));
  // Which of the two comes first is the provider's business.
  CHECK(sink.story() == "+b@2 -c =g2");
  CHECK(sink.things == std::map<std::string, std::string>{{"a", "1"}, {"b", "2"}});
}

TEST_CASE("watch: a new server that knows nothing yet takes nothing away", "[bus]") {
  Served at;
  bus::Client client(at.loop, at.path);
  Memory sink;
  const auto watch = client.watch(kType, {}, sink);
  REQUIRE(at.until([&] { return sink.generation == "g1"; }));
  at.kill();
  at.table.ready = false;
  const auto seen = at.table.subscribed.size();
  at.start();
  REQUIRE(at.until([&] { return at.table.subscribed.size() > seen; }));
  // Something later that has certainly been sent after.
  at.table.set("b", "2");
  REQUIRE(at.until([&] { return sink.things["b"] == "2"; }));
  CHECK(sink.things["a"] == "1");
  CHECK(std::count(sink.told.begin(), sink.told.end(), "+a@1") == 1);
}

TEST_CASE("watch: what a caller kept from an earlier life is not sent again", "[bus]") {
  Served at;
  bus::Client client(at.loop, at.path);
  Memory sink;
  const auto watch = client.watch(kType, {}, sink);
  watch->already_have("a", "1");
  watch->already_have("b", "0");
  watch->already_have("z", "1");
  REQUIRE(at.until([&] { return sink.generation == "g1"; }));
  CHECK(sink.story() == "+b@1 -z =g1");
}

TEST_CASE("watch: a rejected resource keeps its old version and is not sent again", "[bus]") {
  Served at;
  bus::Client client(at.loop, at.path);
  Memory sink;
  const auto watch = client.watch(kType, {}, sink);
  REQUIRE(at.until([&] { return sink.generation == "g1"; }));
  sink.told.clear();
  sink.refuse_name = "a";
  at.table.set("a", "2");
  at.table.set("b", "2");
  REQUIRE(at.until([&] { return at.table.nacks.size() == 1; }));
  CHECK(at.table.nacks[0] == "a@2: I do not like it");
  CHECK(sink.things == std::map<std::string, std::string>{{"a", "1"}, {"b", "2"}});

  sink.refuse_name.clear();
  const int updates = sink.updates;
  at.table.set("a", "2");  // the same again: nothing
  at.table.set("b", "3");
  REQUIRE(at.until([&] { return sink.things["b"] == "3"; }));
  CHECK(sink.updates == updates + 1);
  CHECK(sink.things["a"] == "1");
  at.table.set("a", "3");
  REQUIRE(at.until([&] { return sink.things["a"] == "3"; }));
}

TEST_CASE("watch: an update rejected whole is told by name", "[bus]") {
  Served at;
  bus::Client client(at.loop, at.path);
  Memory sink;
  sink.refuse_all = true;
  const auto watch = client.watch(kType, {}, sink);
  REQUIRE(at.until([&] { return at.table.nacks.size() == 2; }));
  CHECK(at.table.nacks[0] == "a@1: I do not want any");
  CHECK(at.table.nacks[1] == "b@1: I do not want any");
  CHECK(at.table.acks == 0);
}

TEST_CASE("watch: refused by level, type, or provider; tried again with a new server", "[bus]") {
  Served at;
  bus::Client client(at.loop, at.path);
  Memory unknown, unwelcome;
  at.table.welcome = Error{Errc::Refused, "not you"};
  const auto one = client.watch("type.googleapis.com/test.Unknown", {}, unknown);
  const auto two = client.watch(kType, {}, unwelcome);
  REQUIRE(at.until([&] { return unknown.refusals == 1 && unwelcome.refusals == 1; }));
  CHECK(unknown.refused.kind == Errc::NotFound);
  CHECK(unwelcome.refused.text == "not you");
  CHECK(at.server->stats().unknown_type == 1);
  CHECK(at.server->stats().watches == 0);
  at.kill();
  at.table.welcome = {};
  at.start();
  REQUIRE(at.until([&] { return unwelcome.generation == "g1"; }));
}

TEST_CASE("watch: closed by the client, the provider hears at once", "[bus]") {
  Served at;
  bus::Client client(at.loop, at.path);
  Memory sink, other;
  auto watch = client.watch(kType, {}, sink);
  const auto second = client.watch(kType, {}, other);
  REQUIRE(at.until([&] { return sink.generation == "g1" && other.generation == "g1"; }));
  CHECK(at.server->stats().watches == 2);
  watch.reset();
  REQUIRE(at.until([&] { return at.table.gone == 1; }));
  CHECK(at.server->stats().watches == 1);
}

TEST_CASE("watch: a lease that is renewed lives, one that is not lapses", "[bus]") {
  Served at;
  bus::Limits lazy = short_limits();
  lazy.lease_renew = 10min;
  bus::Client keeper(at.loop, at.path, short_limits());
  bus::Client sleeper(at.loop, at.path, lazy);
  Memory kept, lost;
  const auto one = keeper.watch(kType, {}, kept);
  const auto two = sleeper.watch(kType, {}, lost);
  REQUIRE(at.until([&] { return kept.generation == "g1" && lost.generation == "g1"; }));
  REQUIRE(at.until([&] { return at.server->stats().lapsed == 1; }));
  CHECK(at.table.gone == 1);
  CHECK(at.server->stats().watches == 1);
  // The one that lapsed speaks again: it is told, and opens anew.
  two->in_force("g1");
  REQUIRE(at.until([&] { return at.server->stats().watches == 2; }));
  CHECK(kept.links == "u");
}

TEST_CASE("watch: a client that dies is gone long before its lease lapses", "[bus]") {
  // The child first: libzmq's threads do not survive a fork.
  Place place;
  support::Process child([&] {
    event::Loop loop;
    bus::Client client(loop, place.path, short_limits());
    Memory sink;
    const auto watch = client.watch(kType, {}, sink);
    loop.run();
    return 0;
  });
  event::Loop loop;
  Table table;
  bus::Server::Options options = place.options();
  options.limits.lease_lapse = 10min;
  bus::Server server(loop, options);
  server.serve(Allow::Anyone, kType, table);
  REQUIRE(server.bind());
  REQUIRE(server.start());
  REQUIRE(run_until(loop, [&] { return table.acked_generation == "g1"; }));
  CHECK((*table.watchers.begin())->peer().pid == uint32_t(child.pid()));
  child.signal(SIGKILL);
  REQUIRE(run_until(loop, [&] { return table.gone == 1; }));
  CHECK(server.stats().watches == 0);
  CHECK(server.stats().lapsed == 0);
}

TEST_CASE("watch: the link is lost when a server is silent, and found again", "[bus]") {
  Place place;
  support::Process child([&] {
    event::Loop loop;
    Table table;
    bus::Server server(loop, place.options());
    server.serve(Allow::Anyone, kType, table);
    if (!server.bind() || !server.start()) return 1;
    loop.run();
    return 0;
  });
  event::Loop loop;
  bus::Client client(loop, place.path, short_limits());
  Memory sink;
  const auto watch = client.watch(kType, {}, sink);
  REQUIRE(run_until(loop, [&] { return sink.generation == "g1"; }));
  child.signal(SIGSTOP);
  REQUIRE(run_until(loop, [&] { return sink.links == "ud"; }));
  child.signal(SIGCONT);
  REQUIRE(run_until(loop, [&] { return sink.links == "udu"; }));
}

TEST_CASE("watch: a slow watcher costs one response and one entry a name", "[bus]") {
  // The client runs on a loop of its own that stands still.
  Served at;
  event::Loop slow;
  bus::Client client(slow, at.path, short_limits());
  Memory sink;
  const auto watch = client.watch(kType, {}, sink);
  const auto both = [&](auto fact) {
    return support::wait_for([&] {
      slow.run_once(1ms);
      at.loop.run_once(1ms);
      return fact();
    });
  };
  REQUIRE(both([&] { return at.table.acked_generation == "g1"; }));
  sink.told.clear();
  const int before = sink.updates;
  for (int version = 2; version <= 200; ++version) {
    at.table.set("a", std::to_string(version));
    at.table.set("b", std::to_string(version));
    at.loop.run_once(0ms);
  }
  REQUIRE(both([&] { return sink.things["a"] == "200" && sink.things["b"] == "200"; }));
  // One was under way when it fell asleep, one holds all that came since.
  CHECK(sink.updates <= before + 2);
}
