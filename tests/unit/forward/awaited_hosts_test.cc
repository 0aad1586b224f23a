#include "forward/awaited_hosts.h"

#include <catch2/catch.hpp>

namespace {

using namespace mesh;
using namespace mesh::forward;
using std::chrono::seconds;

struct Waiter final : HostWaiter {
  void on_host(HostAnswer answer) override {
    answers.push_back(answer);
    if (ends != nullptr) hosts->cancel(*ends);
  }
  std::vector<HostAnswer> answers;
  AwaitedHosts* hosts = nullptr;
  Waiter* ends = nullptr;  // once we are answered
};

struct Fixture {
  event::Loop loop;
  std::vector<std::string> asked;
  Demand demand{loop, {.wait = seconds(1), .waiting_max = 3}, [this](const std::string& host) {
                  asked.push_back(host);
                }};
  AwaitedHosts hosts{&demand};
  Waiter a, b, c, d;
  const Instant now = loop.now();

  uint64_t number(const std::string& name) {
    telemetry::Snapshot all;
    demand.add_numbers(all);
    for (const auto& [key, value] : all.numbers)
      if (key.name == name) return value;
    return UINT64_MAX;
  }
};

TEST_CASE_METHOD(Fixture, "awaited hosts: asked for once, answered to all") {
  CHECK_FALSE(hosts.wait(a, "reviews", now));
  CHECK_FALSE(hosts.wait(b, "reviews", now));
  CHECK_FALSE(hosts.wait(c, "ratings", now));
  loop.run_once(Duration::zero());
  CHECK(asked == std::vector<std::string>{"reviews", "ratings"});
  hosts.on_answer("reviews", HostAnswer::Found, now);
  CHECK(a.answers == std::vector{HostAnswer::Found});
  CHECK(b.answers == std::vector{HostAnswer::Found});
  CHECK(c.answers.empty());
  CHECK(hosts.waiting() == 1);
  CHECK(number("mesh_forwarder_on_demand_requests_waiting") == 1);
  CHECK(number("mesh_forwarder_on_demand_waits_total") == 3);
}

TEST_CASE_METHOD(Fixture, "awaited hosts: so many wait, and no more") {
  CHECK_FALSE(hosts.wait(a, "a", now));
  CHECK_FALSE(hosts.wait(b, "b", now));
  CHECK_FALSE(hosts.wait(c, "c", now));
  CHECK(hosts.wait(d, "d", now) == HostAnswer::Overflow);
  hosts.cancel(b);
  hosts.cancel(b);  // it is not there any more
  CHECK_FALSE(hosts.wait(d, "d", now));
}

TEST_CASE_METHOD(Fixture, "awaited hosts: what nobody has is known for a minute") {
  CHECK_FALSE(hosts.wait(a, "nobody", now));
  hosts.on_answer("nobody", HostAnswer::Nobody, now);
  CHECK(a.answers == std::vector{HostAnswer::Nobody});
  CHECK(hosts.wait(b, "nobody", now + seconds(59)) == HostAnswer::Nobody);
  CHECK_FALSE(hosts.wait(b, "nobody", now + seconds(60)));
  hosts.cancel(b);
  // Other hosts may be there now.
  hosts.on_answer("nobody", HostAnswer::Nobody, now);
  hosts.forget();
  CHECK_FALSE(hosts.wait(b, "nobody", now));
  // That there is nobody to ask is no word on the host.
  hosts.on_answer("nobody", HostAnswer::Unavailable, now);
  CHECK_FALSE(hosts.wait(c, "nobody", now));
}

TEST_CASE_METHOD(Fixture, "awaited hosts: names that nobody has do not pile up") {
  for (int i = 0; i < 10'000; ++i) {
    hosts.on_answer("made-up-" + std::to_string(i), HostAnswer::Nobody, now);
    CHECK(hosts.known_nobody() <= AwaitedHosts::kNobodyMax);
  }
}

TEST_CASE_METHOD(Fixture, "awaited hosts: who is answered may end another that waits") {
  a.hosts = &hosts;
  a.ends = &b;
  CHECK_FALSE(hosts.wait(a, "reviews", now));
  CHECK_FALSE(hosts.wait(b, "reviews", now));
  hosts.on_answer("reviews", HostAnswer::Found, now);
  CHECK(a.answers.size() == 1);
  CHECK(b.answers.empty());
  CHECK(hosts.waiting() == 0);
  CHECK(number("mesh_forwarder_on_demand_requests_waiting") == 0);
}

TEST_CASE_METHOD(Fixture, "awaited hosts: a virtual host that is used is told once a period") {
  for (int i = 0; i < 3; ++i) hosts.note_used("moved.example:80");
  hosts.note_used("reviews:80");
  using Used = std::set<std::string>;
  CHECK(demand.take_used() == Used{"moved.example:80", "reviews:80"});
  CHECK(demand.take_used().empty());
  hosts.note_used("reviews:80");
  CHECK(demand.take_used() == Used{"reviews:80"});
  for (size_t i = 0; i < 2 * Demand::kUsedMax; ++i) hosts.note_used(std::to_string(i));
  CHECK(demand.take_used().size() <= Demand::kUsedMax);
}

}  // namespace
