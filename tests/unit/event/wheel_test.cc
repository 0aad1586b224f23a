// Deadlines on the wheel: never early, in order, at any distance.

#include "event/wheel.h"

#include <catch2/catch.hpp>
#include <memory>
#include <vector>

#include "base/random.h"

using namespace mesh;
using event::Deadline;
using event::Wheel;
using std::chrono::milliseconds;

namespace {

constexpr Instant kStart{std::chrono::hours(1)};

// Remembers when it fired; does more where it is told to.
struct Waiter : Deadline::Owner {
  explicit Waiter(Wheel& w) : wheel(w), deadline(w, *this) {}
  void on_deadline(Deadline&) override {
    fired.push_back(wheel.now());
    if (then) then();
  }
  Wheel& wheel;
  Deadline deadline;
  std::vector<Instant> fired;
  std::function<void()> then;
};

void move_to(Wheel& wheel, Instant now) {
  wheel.set_now(now);
  wheel.advance();
}

}  // namespace

TEST_CASE("wheel: a deadline fires at its time, late by a tick at most", "[event]") {
  constexpr Duration kRevolution = Wheel::kTick * int64_t(Wheel::kSlots);
  struct Row {
    const char* because;
    Duration after;
  };
  const Row rows[] = {
      {"now", Duration::zero()},
      {"the past is now", -milliseconds(5)},
      {"less than a tick", std::chrono::microseconds(10)},
      {"a whole tick", milliseconds(1)},
      {"the last slot of the first revolution", kRevolution - Wheel::kTick},
      {"exactly one revolution", kRevolution},
      {"a tick over one revolution", kRevolution + Wheel::kTick},
      {"many revolutions", kRevolution * 10 + milliseconds(7)},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      Wheel wheel(kStart);
      Waiter waiter(wheel);
      waiter.deadline.arm(row.after);
      const Instant due = kStart + std::max(Duration::zero(), row.after);
      while (waiter.fired.empty()) {
        const Instant next = wheel.next();
        REQUIRE(next > wheel.now());
        REQUIRE(next <= due + 2 * Wheel::kTick);
        move_to(wheel, next);
      }
      CHECK(waiter.fired.front() >= due);
      CHECK(waiter.fired.front() <= due + 2 * Wheel::kTick);
      CHECK_FALSE(waiter.deadline.armed());
      CHECK(wheel.size() == 0);
      CHECK(wheel.next() == Instant::max());
    }
  }
}

TEST_CASE("wheel: after a long sleep all that is due fires, the earlier first", "[event]") {
  Wheel wheel(kStart);
  std::vector<int> order;
  std::vector<std::unique_ptr<Waiter>> waiters;
  const int64_t after_ms[] = {9000, 3, 4096, 50, 20'000, 1};
  for (const int64_t ms : after_ms) {
    waiters.push_back(std::make_unique<Waiter>(wheel));
    waiters.back()->deadline.arm(milliseconds(ms));
    waiters.back()->then = [&order, ms] { order.push_back(int(ms)); };
  }
  move_to(wheel, kStart + milliseconds(10'000));
  std::vector<int> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  CHECK(sorted == std::vector<int>{1, 3, 50, 4096, 9000});
  CHECK(wheel.size() == 1);
  order.clear();
  for (const auto& waiter : waiters) waiter->deadline.cancel();
  for (const int64_t ms : {7, 2, 5}) {
    waiters[size_t(ms % 6)]->then = [&order, ms] { order.push_back(int(ms)); };
    waiters[size_t(ms % 6)]->deadline.arm(milliseconds(ms));
  }
  move_to(wheel, kStart + milliseconds(10'010));
  CHECK(order == std::vector<int>{2, 5, 7});
}

TEST_CASE("wheel: callbacks may arm, cancel and destroy", "[event]") {
  Wheel wheel(kStart);
  Waiter again(wheel);
  again.then = [&] {
    if (again.fired.size() < 3) again.deadline.arm(Duration::zero());
  };
  again.deadline.arm(milliseconds(1));
  move_to(wheel, kStart + milliseconds(1));
  CHECK(again.fired.size() == 1);  // what is armed in a callback waits for a later turn
  move_to(wheel, kStart + milliseconds(2));
  move_to(wheel, kStart + milliseconds(3));
  CHECK(again.fired.size() == 3);

  auto a = std::make_unique<Waiter>(wheel);
  auto b = std::make_unique<Waiter>(wheel);
  Waiter c(wheel);
  for (Deadline* const d : {&a->deadline, &b->deadline, &c.deadline}) d->arm(milliseconds(5));
  int ends = 0;
  // Whichever comes first destroys the other and cancels the third.
  a->then = [&] { ++ends, b.reset(), c.deadline.cancel(); };
  b->then = [&] { ++ends, a.reset(), c.deadline.cancel(); };
  c.then = [&] { ++ends, a.reset(), b.reset(); };
  move_to(wheel, kStart + milliseconds(20));
  CHECK(ends == 1);
  CHECK(wheel.size() == 0);
}

TEST_CASE("wheel: arming again replaces; the longest time does not overflow", "[event]") {
  Wheel wheel(kStart);
  Waiter waiter(wheel);
  waiter.deadline.arm(milliseconds(1));
  waiter.deadline.arm(milliseconds(100));
  move_to(wheel, kStart + milliseconds(50));
  CHECK(waiter.fired.empty());
  waiter.deadline.arm(Duration::max());
  CHECK(waiter.deadline.at() > kStart + std::chrono::hours(24 * 365));
  move_to(wheel, kStart + std::chrono::hours(1));
  CHECK(waiter.fired.empty());
}

TEST_CASE("wheel: any mix of times agrees with a sorted list", "[event]") {
  Random random(20260101);
  Wheel wheel(kStart);
  std::vector<std::unique_ptr<Waiter>> waiters;
  std::vector<Instant> due;
  Instant now = kStart;
  for (int i = 0; i < 500; ++i) {
    waiters.push_back(std::make_unique<Waiter>(wheel));
    const auto after = milliseconds(random.below(12'000));
    waiters.back()->deadline.arm(after);
    due.push_back(now + after);
    now += milliseconds(random.below(40));
    move_to(wheel, now);
    for (size_t k = 0; k < waiters.size(); ++k) {
      if (due[k] + 2 * Wheel::kTick <= now) REQUIRE(waiters[k]->fired.size() == 1);
      if (!waiters[k]->fired.empty()) REQUIRE(waiters[k]->fired.front() >= due[k]);
    }
  }
}
