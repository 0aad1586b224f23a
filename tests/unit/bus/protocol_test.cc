// The watch protocol without sockets: both halves joined by values.
// mesh-bus(7), WATCHES.

#include <catch2/catch.hpp>

#include "base/random.h"
#include "bus/subscription.h"
#include "bus/watcher_state.h"
#include "fixture.h"

using namespace mesh;
using namespace mesh::bus::test;
using bus::Subscription;
using bus::WatcherState;

namespace {

std::shared_ptr<const std::string> body(std::string text = "b") {
  return std::make_shared<const std::string>(std::move(text));
}

// What a response says, in short: "+a@1 -b =g".
std::string story(const std::optional<bus::v1::WatchResponse>& response) {
  if (!response) return "nothing";
  std::vector<std::string> parts;
  for (const auto& r : response->resources()) parts.push_back("+" + r.name() + "@" + r.version());
  for (const auto& name : response->removed()) parts.push_back("-" + name);
  if (!response->system_version_info().empty())
    parts.push_back("=" + response->system_version_info());
  return text::join(parts, " ");
}

bus::v1::WatchRequest acknowledge(const std::optional<bus::v1::WatchResponse>& response) {
  bus::v1::WatchRequest request;
  request.set_response_nonce(response->nonce());
  return request;
}

struct Watching {
  explicit Watching(const std::vector<std::string>& names = {"*"}) {
    bus::v1::WatchRequest request;
    for (const auto& name : names) request.add_subscribe(name);
    REQUIRE(state.take(request));
  }
  bus::Limits limits;
  bus::NameTable table;
  WatcherState state{limits, table};
};

}  // namespace

TEST_CASE("protocol: one response is in flight, the rest is coalesced by name", "[bus]") {
  Watching w;
  w.state.offer("a", "1", body());
  w.state.offer("b", "1", body());
  const auto first = w.state.next();
  CHECK(story(first) == "+a@1 +b@1");
  for (int i = 2; i <= 1000; ++i) {
    w.state.offer("a", std::to_string(i), body());
    w.state.withdraw("b");
    w.state.offer("b", std::to_string(i), body());
  }
  CHECK(w.state.pending() == 2);
  CHECK(story(w.state.next()) == "nothing");
  REQUIRE(w.state.take(acknowledge(first)));
  CHECK(story(w.state.next()) == "+a@1000 +b@1000");
}

TEST_CASE("protocol: what returns to the version held is not sent", "[bus]") {
  Watching w;
  w.state.offer("a", "1", body());
  REQUIRE(w.state.take(acknowledge(w.state.next())));
  w.state.offer("a", "2", body());
  w.state.offer("a", "1", body());
  CHECK(story(w.state.next()) == "nothing");

  // While another version is in flight it is news again.
  w.state.offer("a", "2", body());
  const auto flying = w.state.next();
  w.state.offer("a", "1", body());
  REQUIRE(w.state.take(acknowledge(flying)));
  CHECK(story(w.state.next()) == "+a@1");
}

TEST_CASE("protocol: the marker comes after what was offered before it", "[bus]") {
  Watching w;
  w.limits.response_bytes_max = 250;
  w.state.offer("a", "1", body(std::string(200, 'x')));
  w.state.offer("b", "1", body(std::string(200, 'x')));
  w.state.mark("g1");
  const auto first = w.state.next();
  CHECK(story(first) == "+a@1");
  w.state.offer("c", "1", body(std::string(200, 'x')));
  REQUIRE(w.state.take(acknowledge(first)));
  const auto second = w.state.next();
  CHECK(story(second) == "+b@1 =g1");
  w.state.mark("g2");
  w.state.mark("g3");
  const auto events = w.state.take(acknowledge(second));
  REQUIRE(events);
  CHECK(events->acked);
  CHECK(events->generation == "g1");
  CHECK(story(w.state.next()) == "+c@1 =g3");
}

TEST_CASE("protocol: a marker alone is a response", "[bus]") {
  Watching w;
  w.state.mark("g1");
  CHECK(story(w.state.next()) == "=g1");
}

TEST_CASE("protocol: a resource that never fits with others is sent alone", "[bus]") {
  Watching w;
  w.limits.response_bytes_max = 10;
  w.state.offer("a", "1", body(std::string(1000, 'x')));
  w.state.offer("b", "1", body());
  const auto first = w.state.next();
  CHECK(story(first) == "+a@1");
  REQUIRE(w.state.take(acknowledge(first)));
  CHECK(story(w.state.next()) == "+b@1");
}

TEST_CASE("protocol: a stale or unknown nonce acknowledges nothing", "[bus]") {
  Watching w;
  w.state.offer("a", "1", body());
  const auto first = w.state.next();
  auto wrong = acknowledge(first);
  wrong.set_response_nonce(first->nonce() + 1);
  const auto events = w.state.take(wrong);
  REQUIRE(events);
  CHECK(!events->acked);
  w.state.offer("a", "2", body());
  CHECK(story(w.state.next()) == "nothing");
}

TEST_CASE("protocol: a NACK keeps the version held, until the resource changes", "[bus]") {
  Watching w;
  w.state.offer("a", "1", body());
  REQUIRE(w.state.take(acknowledge(w.state.next())));
  w.state.offer("a", "2", body());
  w.state.mark("g2");
  auto nack = acknowledge(w.state.next());
  auto& rejection = *nack.add_rejected();
  rejection.set_name("a");
  rejection.set_reason("no\x01");
  const auto events = w.state.take(nack);
  REQUIRE(events);
  CHECK(!events->acked);
  REQUIRE(events->nacks.size() == 1);
  CHECK(events->nacks[0].version == "2");
  CHECK(events->nacks[0].reason == "no?");
  w.state.offer("a", "2", body());
  CHECK(story(w.state.next()) == "nothing");
  w.state.offer("a", "1", body());  // what it holds
  CHECK(story(w.state.next()) == "nothing");
  w.state.offer("a", "3", body());
  CHECK(story(w.state.next()) == "+a@3");
}

TEST_CASE("protocol: removed names go to who holds them or asked by name, once", "[bus]") {
  Watching all;
  all.state.withdraw("never");
  CHECK(story(all.state.next()) == "nothing");
  all.state.offer("a", "1", body());
  REQUIRE(all.state.take(acknowledge(all.state.next())));
  all.state.withdraw("a");
  const auto removed = all.state.next();
  CHECK(story(removed) == "-a");
  REQUIRE(all.state.take(acknowledge(removed)));
  all.state.withdraw("a");
  CHECK(story(all.state.next()) == "nothing");

  Watching named({"n"});
  named.state.withdraw("n");
  const auto absent = named.state.next();
  CHECK(story(absent) == "-n");
  REQUIRE(named.state.take(acknowledge(absent)));
  named.state.withdraw("n");
  CHECK(story(named.state.next()) == "nothing");
}

TEST_CASE("protocol: too many names refuse the watcher, not the process", "[bus]") {
  Watching w;
  w.limits.names_a_watch_max = 3;
  CHECK(w.state.offer("a", "1", body()));
  CHECK(w.state.offer("b", "1", body()));
  CHECK(w.state.offer("c", "1", body()));
  CHECK(!w.state.offer("d", "1", body()));
  bus::v1::WatchRequest request;
  for (const char* name : {"p", "q", "r", "s"}) request.add_subscribe(name);
  const auto events = w.state.take(request);
  REQUIRE(!events);
  CHECK(events.error().kind == Errc::TooBig);
}

TEST_CASE("protocol: a response that breaks the rules is rejected whole", "[bus]") {
  Subscription subscription({}, {"*"});
  bus::v1::WatchResponse response;
  response.set_nonce(1);
  response.add_removed("a");
  response.add_removed("a");
  CHECK(!subscription.take(response));
  response.clear_removed();
  response.add_resources()->set_name("a");  // no version
  CHECK(!subscription.take(response));
  response.clear_nonce();
  response.clear_resources();
  CHECK(!subscription.take(response));
}

// Whatever is offered, withdrawn, rejected and cut off: in the end the client
// holds what the provider has, and was told nothing twice in a row.
TEST_CASE("protocol: converges over lost connections, whatever happens", "[bus]") {
  const auto seed = GENERATE(range(1, 41));
  INFO("seed " << seed);
  Random random{uint64_t(seed)};
  bus::Limits limits;
  limits.response_bytes_max = 64;
  std::map<std::string, std::string> truth, held;
  bus::NameTable table;
  std::optional<WatcherState> server;
  Subscription client({}, {"*"});
  std::optional<bus::v1::WatchResponse> flying;

  const auto name = [&] { return std::string(1, char('a' + random.below(6))); };
  const auto connect = [&] {
    server.emplace(limits, table);
    flying.reset();
    REQUIRE(server->take(client.open()));
    for (const auto& [thing, version] : truth) server->offer(thing, version, body());
    server->mark("g");
  };
  const auto step = [&](bool may_reject) {
    if (!flying) flying = server->next();
    if (!flying) return false;
    const auto update = client.take(*flying);
    REQUIRE(update);
    std::vector<bus::Rejection> rejected;
    for (const auto& r : update->changed) {
      const std::string thing(r.name);
      CHECK(held[thing] != r.version);
      if (may_reject && random.below(4) == 0)
        rejected.push_back({thing, "no"});
      else
        held[thing] = r.version;
    }
    for (const auto gone : update->removed) held.erase(std::string(gone));
    client.settle(*flying, {}, rejected);
    for (const auto& r : rejected)
      if (held[r.name].empty()) held.erase(r.name);
    flying.reset();
    const auto said = client.next();
    REQUIRE(said);
    client.sent();
    REQUIRE(server->take(*said));
    return true;
  };
  connect();
  int version = 0;
  for (int i = 0; i < 300; ++i) {
    switch (random.below(8)) {
      case 0: connect(); break;
      case 1:
      case 2: {
        const auto thing = name();
        truth.erase(thing);
        server->withdraw(thing);
        break;
      }
      case 3:
      case 4:
      case 5: {
        const auto thing = name();
        truth[thing] = std::to_string(++version);
        server->offer(thing, truth[thing], body());
        break;
      }
      default: step(true);
    }
  }
  // A new connection gives what was rejected another chance.
  connect();
  while (step(false)) {
  }
  CHECK(held == truth);
  std::map<std::string, std::string> versions(client.versions().begin(), client.versions().end());
  CHECK(versions == truth);
}
