// Who is turned away, and for how long that is remembered: discoveryd(8), "Forwarders".

#include "discovery/refusals.h"

#include <catch2/catch.hpp>

using namespace mesh;
using namespace mesh::discovery;
using namespace std::chrono_literals;

namespace {

const Instant kNow{1000s};
const Refusals::Key kWeb{"web@h", 7, 100};
const auto kNobodyEnded = [](uint32_t) { return false; };

Refusals::Refusal because(const std::string& reason) {
  return {.ns = "demo", .workload = "web-1", .client = {}, .reason = reason};
}

}  // namespace

TEST_CASE("refusals: news once for each reason, and since when", "[discovery]") {
  Refusals refusals;
  CHECK(refusals.add(kWeb, because("taken"), kNow));
  CHECK_FALSE(refusals.add(kWeb, because("taken"), kNow + 5s));
  CHECK(refusals.all().at(kWeb).since == kNow);
  CHECK(refusals.add(kWeb, because("another"), kNow + 6s));
  CHECK(refusals.all().at(kWeb).since == kNow + 6s);
  // Another process of the same name is another one.
  CHECK(refusals.add({"web@h", 7, 101}, because("another"), kNow + 6s));
  CHECK(refusals.all().size() == 2);
}

TEST_CASE("refusals: who is served, ends or asks no more is forgotten", "[discovery]") {
  Refusals refusals;
  refusals.add(kWeb, because("taken"), kNow);
  CHECK(refusals.remove(kWeb));
  CHECK_FALSE(refusals.remove(kWeb));

  refusals.add(kWeb, because("taken"), kNow);
  CHECK_FALSE(refusals.expire(kNow, [](uint32_t pid) { return pid == 101; }));
  CHECK(refusals.expire(kNow, [](uint32_t pid) { return pid == 100; }));
  CHECK(refusals.all().empty());

  refusals.add(kWeb, because("taken"), kNow);
  refusals.add(kWeb, because("taken"), kNow + 5s);
  CHECK_FALSE(refusals.expire(kNow + Refusals::kAgainMax, kNobodyEnded));
  CHECK(refusals.expire(kNow + 5s + Refusals::kAgainMax, kNobodyEnded));

  // What no process is known of comes back more slowly.
  refusals.add({"envoy", 7, 0}, because("taken"), kNow);
  CHECK_FALSE(refusals.expire(kNow + Refusals::kAgainMax, kNobodyEnded));
  CHECK(refusals.expire(kNow + Refusals::kXdsAgainMax, kNobodyEnded));
}

TEST_CASE("refusals: so many, and reasons of so many bytes", "[discovery]") {
  Refusals refusals;
  for (uint32_t i = 0; i < Refusals::kMax; ++i)
    CHECK(refusals.add({"n", 1, i + 1}, because("taken"), kNow));
  CHECK_FALSE(refusals.add({"n", 1, 5000}, because("taken"), kNow));
  CHECK(refusals.all().size() == Refusals::kMax);
  // Those known go on.
  CHECK(
      refusals.add({"n", 1, 1}, because(std::string(Refusals::kReasonBytesMax, 'x') + "ü"), kNow));
  CHECK(refusals.all().at({"n", 1, 1}).reason.size() == Refusals::kReasonBytesMax);
}
