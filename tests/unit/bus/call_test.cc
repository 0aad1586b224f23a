// Calls over real sockets. mesh-bus(7), CALLS.

#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <optional>

#include "bus/call_blocking.h"
#include "fixture.h"
#include "support/process.h"

using namespace mesh;
using namespace mesh::bus::test;
using bus::Allow;
using bus::Peer;

namespace {

// "Who am I" answers the peer's uid as the node's id; "later" keeps the reply.
struct Service {
  Result<bus::v1::Node> who(const bus::v1::Node& asked, const Peer& peer) {
    ++answered;
    if (asked.id() == "fail") return Error{Errc::NotFound, "no such thing"};
    bus::v1::Node node;
    node.set_id(std::to_string(peer.uid));
    node.set_workload(asked.id());
    return node;
  }
  void later(const bus::v1::Lease&, const Peer&, bus::Reply<bus::v1::Lease> reply) {
    kept.push_back(std::move(reply));
  }
  void report(const bus::v1::Resource& resource, const Peer&) {
    reports.push_back(resource.name());
  }
  void add_to(bus::Server& server) {
    server.answer(Allow::Anyone, this, &Service::who);
    server.answer_later(Allow::Operator, this, &Service::later);
    server.collect(Allow::Anyone, this, &Service::report);
  }
  int answered = 0;
  std::vector<bus::Reply<bus::v1::Lease>> kept;
  std::vector<std::string> reports;
};

struct Served : Place {
  Served() { restart(); }
  void restart() {
    server.reset();
    server.emplace(loop, options());
    service.add_to(*server);
    REQUIRE(server->bind());
    REQUIRE(server->start());
  }
  event::Loop loop;
  Service service;
  std::optional<bus::Server> server;
};

bus::v1::Node ask(std::string id) {
  bus::v1::Node node;
  node.set_id(std::move(id));
  return node;
}

template <class T>
using Outcome = std::optional<Result<T>>;

template <class T>
auto into(Outcome<T>& outcome) {
  return [&outcome](Result<T> result) {
    CHECK(!outcome.has_value());  // once
    outcome.emplace(std::move(result));
  };
}

}  // namespace

TEST_CASE("call: answered, with the kernel's word on who asks", "[bus]") {
  Served at;
  bus::Client client(at.loop, at.path);
  Outcome<bus::v1::Node> outcome;
  client.call<bus::v1::Node>(ask("x"), 5s, into(outcome));
  CHECK(!outcome);  // never before call() returns
  REQUIRE(run_until(at.loop, [&] { return outcome.has_value(); }));
  REQUIRE(outcome->has_value());
  CHECK((**outcome).id() == std::to_string(getuid()));
  CHECK((**outcome).workload() == "x");
  CHECK(client.up());
  CHECK(client.server_boot_id() == at.server->boot_id());
}

TEST_CASE("call: the daemon's error arrives as it was", "[bus]") {
  Served at;
  bus::Client client(at.loop, at.path);
  Outcome<bus::v1::Node> outcome;
  client.call<bus::v1::Node>(ask("fail"), 5s, into(outcome));
  REQUIRE(run_until(at.loop, [&] { return outcome.has_value(); }));
  REQUIRE(!*outcome);
  CHECK(outcome->error().kind == Errc::NotFound);
  CHECK(outcome->error().text == "no such thing");
}

TEST_CASE("call: an unknown type is refused and counted", "[bus]") {
  Served at;
  bus::Client client(at.loop, at.path);
  Outcome<bus::v1::Error> outcome;
  client.call<bus::v1::Error>(bus::v1::Error(), 5s, into(outcome));
  REQUIRE(run_until(at.loop, [&] { return outcome.has_value(); }));
  REQUIRE(!*outcome);
  CHECK(outcome->error().kind == Errc::NotFound);
  CHECK(at.server->stats().unknown_type == 1);
}

TEST_CASE("call: a payload that does not parse is an error of the caller", "[bus]") {
  Served at;
  bus::Client client(at.loop, at.path);
  std::optional<Result<std::string>> outcome;
  client.call_bytes(
      bus::type_url_of<bus::v1::Node>(), "\xff\xff\xff", 5s, bus::type_url_of<bus::v1::Node>(),
      [&](Result<std::string> r) { outcome = std::move(r); }, nullptr);
  REQUIRE(run_until(at.loop, [&] { return outcome.has_value(); }));
  REQUIRE(!*outcome);
  CHECK(outcome->error().kind == Errc::Invalid);
  CHECK(at.server->stats().malformed == 1);
}

TEST_CASE("call: a server that comes later is found", "[bus]") {
  Place place;
  event::Loop loop;
  bus::Client client(loop, place.path);
  Outcome<bus::v1::Node> outcome;
  client.call<bus::v1::Node>(ask("x"), 10s, into(outcome));
  for (int i = 0; i < 5; ++i) loop.run_once(5ms);
  CHECK(!outcome);
  CHECK(!client.up());
  Service service;
  bus::Server server(loop, place.options());
  service.add_to(server);
  REQUIRE(server.bind());
  REQUIRE(server.start());
  REQUIRE(run_until(loop, [&] { return outcome.has_value(); }));
  CHECK(outcome->has_value());
}

TEST_CASE("call: its deadline gives Timeout, once, and the late answer is nobody's", "[bus]") {
  Served at;
  bus::Client client(at.loop, at.path);
  Outcome<bus::v1::Lease> outcome;
  client.call<bus::v1::Lease>(bus::v1::Lease(), 150ms, into(outcome));
  REQUIRE(run_until(at.loop, [&] { return at.service.kept.size() == 1; }));
  CHECK(at.server->stats().calls_open == 1);
  REQUIRE(run_until(at.loop, [&] { return outcome.has_value(); }));
  CHECK(outcome->error().kind == Errc::Timeout);
  at.service.kept[0](bus::v1::Lease());
  Outcome<bus::v1::Node> next;
  client.call<bus::v1::Node>(ask("x"), 5s, into(next));
  REQUIRE(run_until(at.loop, [&] { return next.has_value(); }));
  CHECK(next->has_value());
}

TEST_CASE("call: nobody there until the deadline is Unavailable", "[bus]") {
  Place place;
  event::Loop loop;
  bus::Client client(loop, place.path);
  Outcome<bus::v1::Node> outcome;
  client.call<bus::v1::Node>(ask("x"), 50ms, into(outcome));
  REQUIRE(run_until(loop, [&] { return outcome.has_value(); }));
  CHECK(outcome->error().kind == Errc::Unavailable);
}

TEST_CASE("call: cancelled by its owner, it is not heard of again", "[bus]") {
  Served at;
  bus::Client client(at.loop, at.path);
  int owner = 0;
  bool called = false;
  client.call<bus::v1::Lease>(
      bus::v1::Lease(), 5s, [&](Result<bus::v1::Lease>) { called = true; }, &owner);
  REQUIRE(run_until(at.loop, [&] { return at.service.kept.size() == 1; }));
  client.cancel(&owner);
  at.service.kept.clear();  // answers: dropped unanswered
  Outcome<bus::v1::Node> next;
  client.call<bus::v1::Node>(ask("x"), 5s, into(next));
  REQUIRE(run_until(at.loop, [&] { return next.has_value(); }));
  CHECK(!called);
}

TEST_CASE("call: the client's end cancels", "[bus]") {
  Served at;
  bool called = false;
  {
    bus::Client client(at.loop, at.path);
    client.call<bus::v1::Lease>(bus::v1::Lease(), 5s,
                                [&](Result<bus::v1::Lease>) { called = true; });
    REQUIRE(run_until(at.loop, [&] { return at.service.kept.size() == 1; }));
  }
  at.service.kept[0](bus::v1::Lease());
  for (int i = 0; i < 3; ++i) at.loop.run_once(1ms);
  CHECK(!called);
}

TEST_CASE("call: dropped by the handler, it fails as Internal at once", "[bus]") {
  Served at;
  bus::Client client(at.loop, at.path);
  Outcome<bus::v1::Lease> outcome;
  client.call<bus::v1::Lease>(bus::v1::Lease(), 60s, into(outcome));
  REQUIRE(run_until(at.loop, [&] { return at.service.kept.size() == 1; }));
  at.service.kept.clear();
  REQUIRE(run_until(at.loop, [&] { return outcome.has_value(); }));
  CHECK(outcome->error().kind == Errc::Internal);
}

TEST_CASE("call: a server that dies and comes back loses it, and says so early", "[bus]") {
  Served at;
  bus::Client client(at.loop, at.path);
  Outcome<bus::v1::Lease> outcome;
  client.call<bus::v1::Lease>(bus::v1::Lease(), 60s, into(outcome));
  REQUIRE(run_until(at.loop, [&] { return at.service.kept.size() == 1; }));
  const uint64_t before = at.server->boot_id();
  at.restart();
  REQUIRE(run_until(at.loop, [&] { return outcome.has_value(); }));
  CHECK(outcome->error().kind == Errc::Unavailable);
  CHECK(client.server_boot_id() == at.server->boot_id());
  CHECK(client.server_boot_id() != before);
  at.service.kept[0](bus::v1::Lease());  // its server is gone: nothing happens
}

TEST_CASE("call: bounds of bytes, and of calls unanswered", "[bus]") {
  Place place;
  event::Loop loop;
  Service service;
  bus::Server::Options options = place.options();
  options.limits.payload_bytes_max = 1000;
  options.limits.calls_a_peer_max = 2;
  bus::Server server(loop, options);
  service.add_to(server);
  REQUIRE(server.bind());
  REQUIRE(server.start());
  bus::Client client(loop, place.path);

  Outcome<bus::v1::Node> big;
  client.call<bus::v1::Node>(ask(std::string(1500, 'x')), 5s, into(big));
  REQUIRE(run_until(loop, [&] { return big.has_value(); }));
  CHECK(big->error().kind == Errc::TooBig);
  CHECK(server.stats().too_big == 1);

  Outcome<bus::v1::Node> reply;  // the reply repeats the request and more
  client.call<bus::v1::Node>(ask(std::string(996, 'x')), 5s, into(reply));
  REQUIRE(run_until(loop, [&] { return reply.has_value(); }));
  CHECK(reply->error().kind == Errc::TooBig);

  Outcome<bus::v1::Lease> one, two, three;
  client.call<bus::v1::Lease>(bus::v1::Lease(), 5s, into(one));
  client.call<bus::v1::Lease>(bus::v1::Lease(), 5s, into(two));
  client.call<bus::v1::Lease>(bus::v1::Lease(), 5s, into(three));
  REQUIRE(run_until(loop, [&] { return three.has_value(); }));
  CHECK(three->error().kind == Errc::TooBig);
  CHECK(server.stats().over_limit == 1);
  CHECK(!one);
  CHECK(!two);
}

TEST_CASE("call: the client bounds what waits", "[bus]") {
  Place place;
  event::Loop loop;
  bus::Limits limits;
  limits.calls_waiting_max = 1;
  bus::Client client(loop, place.path, limits);
  Outcome<bus::v1::Node> first, second;
  client.call<bus::v1::Node>(ask("x"), 10s, into(first));
  client.call<bus::v1::Node>(ask("x"), 10s, into(second));
  CHECK(!second);
  REQUIRE(run_until(loop, [&] { return second.has_value(); }));
  CHECK(second->error().kind == Errc::TooBig);
  CHECK(!first);
}

TEST_CASE("report: heard; while the daemon is away the newest of a key waits", "[bus]") {
  Place place;
  event::Loop loop;
  bus::Limits limits;
  limits.reports_waiting_max = 2;
  bus::Client client(loop, place.path, limits);
  const auto report = [&](const char* name, const char* key) {
    bus::v1::Resource resource;
    resource.set_name(name);
    client.report(resource, key);
  };
  report("a1", "a");
  report("a2", "a");
  report("b1", "b");
  report("c1", "c");  // the third key: over the limit
  CHECK(client.stats().reports_replaced == 1);
  CHECK(client.stats().reports_dropped == 1);
  Service service;
  bus::Server server(loop, place.options());
  service.add_to(server);
  REQUIRE(server.bind());
  REQUIRE(server.start());
  REQUIRE(run_until(loop, [&] { return service.reports.size() == 2; }));
  CHECK(service.reports == std::vector<std::string>{"a2", "b1"});
  report("c2", "c");
  REQUIRE(run_until(loop, [&] { return service.reports.size() == 3; }));
  CHECK(client.stats().reports_sent == 3);
  CHECK(server.stats().reports == 3);
}

TEST_CASE("call_blocking: an answer, nobody there, kept out, no answer in time", "[bus]") {
  Place place;
  SECTION("no socket") {
    const auto none = bus::call_blocking<bus::v1::Node>(place.path, ask("x"), 5s);
    REQUIRE(!none);
    CHECK(none.error().kind == Errc::Unavailable);
  }
  SECTION("a socket that a dead process left") {
    {
      support::Process child([&] {
        event::Loop loop;
        bus::Server server(loop, place.options());
        if (!server.bind()) return 1;
        printf("bound\n");
        fflush(stdout);
        pause();
        return 0;
      });
      REQUIRE(child.wait_out("bound"));
      child.signal(SIGKILL);
      REQUIRE(child.wait_exit());
    }
    const auto none = bus::call_blocking<bus::v1::Node>(place.path, ask("x"), 5s);
    REQUIRE(!none);
    CHECK(none.error().kind == Errc::Unavailable);
  }
  SECTION("a server") {
    support::Process child([&] {
      event::Loop loop;
      Service service;
      bus::Server server(loop, place.options());
      service.add_to(server);
      if (!server.bind() || !server.start()) return 1;
      printf("bound\n");
      fflush(stdout);
      loop.run();
      return 0;
    });
    REQUIRE(child.wait_out("bound"));
    const auto answer = bus::call_blocking<bus::v1::Node>(place.path, ask("x"), 10s);
    REQUIRE(answer);
    CHECK(answer->id() == std::to_string(getuid()));
    const auto slow = bus::call_blocking<bus::v1::Lease>(place.path, bus::v1::Lease(), 100ms);
    REQUIRE(!slow);
    CHECK(slow.error().kind == Errc::Timeout);
    child.signal(SIGSTOP);
    const auto stopped = bus::call_blocking<bus::v1::Node>(place.path, ask("x"), 100ms);
    REQUIRE(!stopped);
    CHECK(stopped.error().kind == Errc::Timeout);
    child.signal(SIGCONT);
  }
}

TEST_CASE("call_blocking_all: each its own answer, many at a time, one deadline for all", "[bus]") {
  const auto serve = [](const Place& place) {
    return [&place] {
      event::Loop loop;
      Service service;
      bus::Server server(loop, place.options());
      service.add_to(server);
      if (!server.bind() || !server.start()) return 1;
      printf("bound\n");
      fflush(stdout);
      loop.run();
      return 0;
    };
  };
  Place place;
  Place stopped_place;
  support::Process child(serve(place));
  support::Process stopped(serve(stopped_place));
  REQUIRE(child.wait_out("bound"));
  REQUIRE(stopped.wait_out("bound"));
  stopped.signal(SIGSTOP);

  const std::vector<std::string> many(100, place.path);
  const auto answers = bus::call_blocking_all<bus::v1::Node>(many, ask("x"), 20s);
  REQUIRE(answers.size() == many.size());
  for (const auto& answer : answers) CHECK(answer.has_value());

  const auto mixed = bus::call_blocking_all<bus::v1::Node>(
      {stopped_place.path, place.path, place.path + "-none", stopped_place.path}, ask("x"), 3s);
  REQUIRE(mixed.size() == 4);
  REQUIRE(!mixed[0]);
  CHECK(mixed[0].error().kind == Errc::Timeout);
  REQUIRE(mixed[1]);
  CHECK(mixed[1]->workload() == "x");
  REQUIRE(!mixed[2]);
  CHECK(mixed[2].error().kind == Errc::Unavailable);
  REQUIRE(!mixed[3]);
  CHECK(mixed[3].error().kind == Errc::Timeout);
  stopped.signal(SIGCONT);
}
