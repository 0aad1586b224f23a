// A turn of the loop: what runs in it, in which order, and what may be
// destroyed while it runs.

#include "event/loop.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <thread>

#include "event/signal.h"
#include "event/timer.h"
#include "event/watch.h"
#include "support/wait.h"

using namespace mesh;
using event::Loop;
using event::Timer;
using event::Watch;
using std::chrono::milliseconds;
using support::run_until;

namespace {

struct Pipe {
  Pipe() {
    int fds[2];
    REQUIRE(pipe2(fds, O_NONBLOCK | O_CLOEXEC) == 0);
    in.reset(fds[0]);
    out.reset(fds[1]);
  }
  void write() { REQUIRE(::write(out.get(), "x", 1) == 1); }
  bool read() {
    char c;
    return ::read(in.get(), &c, 1) == 1;
  }
  UniqueFd in, out;
};

struct Handler : Watch::Handler {
  explicit Handler(Loop& loop) : watch(loop, *this) {}
  void on_ready(bool readable, bool writable) override {
    ++calls;
    saw_readable |= readable;
    saw_writable |= writable;
    if (then) then();
  }
  int calls = 0;
  bool saw_readable = false;
  bool saw_writable = false;
  std::function<void()> then;
  Watch watch;
};

}  // namespace

TEST_CASE("loop: post wakes from any thread, in order", "[event]") {
  Loop loop;
  std::vector<int> seen;
  std::thread other([&] {
    for (int i = 0; i < 100; ++i) loop.post([&seen, i] { seen.push_back(i); });
    loop.post([&loop] { loop.stop(); });
  });
  loop.run();
  other.join();
  REQUIRE(seen.size() == 100);
  CHECK(std::is_sorted(seen.begin(), seen.end()));
}

TEST_CASE("loop: deadlines of a timer fire, and an early wake-up does not lose them", "[event]") {
  Loop loop;
  int fired = 0;
  Timer timer(loop, [&] {
    if (++fired < 20) timer.arm(milliseconds(3));
  });
  Timer never(loop, [&] { FAIL("cancelled"); });
  never.arm(milliseconds(5));
  never.cancel();
  timer.arm(milliseconds(3));
  CHECK(run_until(loop, [&] { return fired == 20; }));
  // The same with turns that wait without a limit, as run() does.
  fired = 0;
  Timer end(loop, [&] { loop.stop(); });
  end.arm(milliseconds(300));
  timer.arm(milliseconds(3));
  loop.run();
  CHECK(fired == 20);
}

TEST_CASE("loop: a timer may destroy itself", "[event]") {
  Loop loop;
  bool fired = false;
  std::unique_ptr<Timer> timer;
  timer = std::make_unique<Timer>(loop, [&] {
    fired = true;
    timer.reset();
  });
  timer->arm(milliseconds(1));
  CHECK(run_until(loop, [&] { return fired; }));
  CHECK(timer == nullptr);
}

TEST_CASE("loop: deferred work runs at the end of the turn, hooks once", "[event]") {
  Loop loop;
  std::vector<std::string> order;
  struct Hook : Loop::TurnEnd {
    explicit Hook(std::vector<std::string>& o) : order(o) {}
    void on_turn_end() override { order.push_back("hook"); }
    std::vector<std::string>& order;
  } hook(order);
  loop.post([&] {
    loop.at_turn_end(hook);
    loop.at_turn_end(hook);
    loop.defer([&] {
      order.push_back("deferred");
      loop.defer([&] { order.push_back("deferred later"); });
    });
    order.push_back("task");
  });
  loop.run_once(milliseconds(1000));
  CHECK(order == std::vector<std::string>{"task", "deferred", "hook", "deferred later"});
}

TEST_CASE("loop: a hook that is destroyed is forgotten", "[event]") {
  Loop loop;
  struct Hook : Loop::TurnEnd {
    void on_turn_end() override { FAIL("gone"); }
  };
  loop.post([&] {
    Hook hook;
    loop.at_turn_end(hook);
  });
  loop.run_once(milliseconds(1000));
  loop.run_once(Duration::zero());
  SUCCEED();
}

TEST_CASE("loop: work that schedules itself for ever does not keep a turn", "[event]") {
  Loop loop;
  int rounds = 0;
  std::function<void()> again = [&] {
    ++rounds;
    loop.defer(again);
  };
  loop.defer(again);
  loop.run_once(milliseconds(10));
  CHECK(rounds >= 1);
  CHECK(rounds < 10);
}

TEST_CASE("loop: what is retired lives until the turn is over", "[event]") {
  Loop loop;
  struct Thing {
    explicit Thing(bool& g) : gone(g) {}
    ~Thing() { gone = true; }
    bool& gone;
  };
  bool gone = false;
  bool gone_in_turn = true;
  loop.post([&] {
    loop.retire(std::make_unique<Thing>(gone));
    loop.defer([&] { gone_in_turn = gone; });
  });
  loop.run_once(milliseconds(1000));
  CHECK_FALSE(gone_in_turn);
  CHECK(gone);
}

TEST_CASE("loop: its end destroys what was left, and what that leaves", "[event]") {
  struct Chain {
    Chain(Loop& l, int n, int& c) : loop(l), more(n), count(c), timer(l, [] {}) {
      timer.arm(std::chrono::hours(1));
    }
    ~Chain() {
      ++count;
      if (more > 0) loop.retire(std::make_unique<Chain>(loop, more - 1, count));
    }
    Loop& loop;
    int more;
    int& count;
    Timer timer;
  };
  int count = 0;
  {
    Loop loop;
    loop.retire(std::make_unique<Chain>(loop, 3, count));
  }
  CHECK(count == 4);
}

TEST_CASE("watch: an edge is told once; again() asks for another call", "[event]") {
  Loop loop;
  Pipe pipe;
  Handler handler(loop);
  REQUIRE(handler.watch.start(pipe.in.get(), Watch::Interest::Read));
  pipe.write();
  pipe.write();
  REQUIRE(run_until(loop, [&] { return handler.calls > 0; }));
  CHECK(handler.saw_readable);
  CHECK(pipe.read());
  // One byte is left, and no edge will come for it.
  loop.run_once(Duration::zero());
  loop.run_once(Duration::zero());
  CHECK(handler.calls == 1);
  handler.watch.again(true, false);
  handler.watch.again(true, false);
  loop.run_once(Duration::zero());
  CHECK(handler.calls == 2);
  // again() inside the callback is for the next turn.
  handler.then = [&] {
    if (handler.calls < 5) handler.watch.again(true, false);
  };
  handler.watch.again(true, false);
  loop.run_once(Duration::zero());
  CHECK(handler.calls == 3);
  CHECK(run_until(loop, [&] { return handler.calls == 5; }));
}

TEST_CASE("watch: stopped between the edge and the call it is not called", "[event]") {
  Loop loop;
  Pipe a, b;
  auto first = std::make_unique<Handler>(loop);
  auto second = std::make_unique<Handler>(loop);
  REQUIRE(first->watch.start(a.in.get(), Watch::Interest::Read));
  REQUIRE(second->watch.start(b.in.get(), Watch::Interest::Read));
  int calls = 0;
  // Whichever is called first stops both.
  second->then = first->then = [&] {
    ++calls;
    first->watch.stop();
    second->watch.stop();
  };
  a.write();
  b.write();
  REQUIRE(run_until(loop, [&] { return calls > 0; }));
  loop.run_once(Duration::zero());
  CHECK(calls == 1);
}

TEST_CASE("watch: a descriptor the kernel cannot watch is an error", "[event]") {
  Loop loop;
  Handler handler(loop);
  const UniqueFd file(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  const auto started = handler.watch.start(file.get());
  REQUIRE_FALSE(started);
  CHECK(started.error().kind == Errc::System);
  CHECK_FALSE(handler.watch.started());
}

TEST_CASE("signal: it is a callback; destroyed before its turn it is none", "[event]") {
  Loop loop;
  int count = 0;
  auto signal = std::make_unique<event::Signal>(loop, SIGUSR1, [&] { ++count; });
  raise(SIGUSR1);
  CHECK(run_until(loop, [&] { return count == 1; }));
  // Deferred before the Signal's end, due after it.
  Pipe pipe;
  Handler handler(loop);
  REQUIRE(handler.watch.start(pipe.in.get(), Watch::Interest::Read));
  handler.then = [&] { signal.reset(); };
  raise(SIGUSR1);
  pipe.write();
  REQUIRE(run_until(loop, [&] { return handler.calls > 0; }));
  loop.run_once(Duration::zero());
  CHECK(count <= 2);
  CHECK(signal == nullptr);
}

TEST_CASE("watch: one that starts soon is told a moment later of what came before", "[event]") {
  Loop loop;
  Pipe early, late;
  early.write();
  Handler first(loop), gone(loop), second(loop);
  first.watch.start_soon(early.in.get());
  gone.watch.start_soon(late.in.get());
  second.watch.start_soon(late.in.get());
  second.watch.start_soon(late.in.get());  // once is enough
  CHECK(!first.watch.started());
  gone.watch.stop();  // before the kernel knew of it
  const Instant before = std::chrono::steady_clock::now();
  REQUIRE(run_until(loop, [&] { return first.calls > 0; }));
  CHECK(std::chrono::steady_clock::now() - before >= Loop::kSoon);
  CHECK(first.watch.started());
  CHECK(first.saw_readable);
  REQUIRE(run_until(loop, [&] { return second.watch.started(); }));
  CHECK(second.calls == 0);
  late.write();
  REQUIRE(run_until(loop, [&] { return second.calls > 0; }));
  CHECK(gone.calls == 0);
}

TEST_CASE("watch: one that was to start soon starts at once where it is asked to", "[event]") {
  Loop loop;
  Pipe pipe, other;
  Handler handler(loop), waiting(loop);
  handler.watch.start_soon(pipe.in.get());
  waiting.watch.start_soon(other.in.get());
  REQUIRE(handler.watch.start(pipe.in.get(), Watch::Interest::Read));
  pipe.write();
  REQUIRE(run_until(loop, [&] { return handler.calls > 0; }));
  CHECK(handler.calls == 1);
  waiting.watch.stop();
  REQUIRE(waiting.watch.start(other.in.get(), Watch::Interest::Read));
}

TEST_CASE("watch: again_soon() calls a moment later, once, where no edge would", "[event]") {
  Loop loop;
  Pipe pipe;
  Handler handler(loop);
  handler.watch.again_soon();  // not started: an edge will tell
  REQUIRE(handler.watch.start(pipe.in.get(), Watch::Interest::Read));
  pipe.write();
  REQUIRE(run_until(loop, [&] { return handler.calls == 1; }));
  const Instant before = std::chrono::steady_clock::now();
  handler.watch.again_soon();
  handler.watch.again_soon();
  REQUIRE(run_until(loop, [&] { return handler.calls == 2; }));
  CHECK(std::chrono::steady_clock::now() - before >= Loop::kSoon);
  Timer later(loop, [&] { loop.stop(); });
  later.arm(3 * Loop::kSoon);
  loop.run();
  CHECK(handler.calls == 2);
  handler.watch.again_soon();
  handler.watch.stop();  // forgets it
  later.arm(3 * Loop::kSoon);
  loop.run();
  CHECK(handler.calls == 2);
}
