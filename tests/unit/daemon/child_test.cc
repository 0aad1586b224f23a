// A supervised process: output, ends, pauses, stopping.

#include "daemon/child.h"

#include <signal.h>

#include <catch2/catch.hpp>

#include "support/temp_dir.h"
#include "support/wait.h"

using namespace mesh;
using daemon::Child;

namespace {

struct Keeper : Child::Owner {
  event::Loop loop;
  Random random{1};
  std::vector<std::string> lines;
  std::vector<std::string> ends;
  bool let_start = true;
  unsigned asked = 0;

  bool on_child_starting(Child&) override {
    ++asked;
    return let_start;
  }
  void on_child_line(Child&, std::string_view line) override { lines.emplace_back(line); }
  void on_child_end(Child&, const Child::End& end) override { ends.push_back(end.text()); }
  bool until(const std::function<bool()>& fact) { return support::run_until(loop, fact); }
  bool said(const std::string& line) {
    return until([&] { return std::find(lines.begin(), lines.end(), line) != lines.end(); });
  }
  std::unique_ptr<Child> shell(const std::string& script, std::string log = {}) {
    return std::make_unique<Child>(
        loop, random, static_cast<Child::Owner&>(*this),
        Child::Spec{"sh", {"/bin/sh", "-c", script}, {"GREETING=hello"}, std::move(log)});
  }
};

}  // namespace

TEST_CASE("child: its environment, its lines, its log file", "[daemon]") {
  Keeper keeper;
  support::TempDir dir;
  auto child = keeper.shell("echo $GREETING; echo oops >&2; printf partial; : > " +
                                dir.file("printed") + "; exec sleep 60",
                            dir.file("log"));
  child->start();
  CHECK(keeper.said("hello"));
  CHECK(keeper.said("oops"));
  REQUIRE(support::wait_for([&] { return std::filesystem::exists(dir.file("printed")); }));
  CHECK(child->state() == Child::State::Running);
  child->stop(std::chrono::seconds(5));
  REQUIRE(keeper.until([&] { return child->state() == Child::State::Stopped; }));
  CHECK(keeper.ends == std::vector<std::string>{"killed by signal 15 (Terminated)"});
  CHECK(dir.read("log") == "hello\noops\npartial\n");
}

TEST_CASE("child: what ends is started again, and says how it ended", "[daemon]") {
  Keeper keeper;
  auto child = keeper.shell("exit 3");
  child->start();
  REQUIRE(keeper.until([&] { return keeper.ends.size() == 3; }));
  CHECK(keeper.ends.front() == "exit status 3");
  CHECK(child->starts() >= 3);
  child->stop(std::chrono::seconds(5));
  CHECK(child->state() == Child::State::Stopped);
}

TEST_CASE("child: one that ignores SIGTERM is killed at the limit", "[daemon]") {
  Keeper keeper;
  auto child = keeper.shell("trap '' TERM; echo up; while :; do sleep 60; done");
  child->start();
  REQUIRE(keeper.said("up"));
  child->stop(std::chrono::milliseconds(50));
  REQUIRE(keeper.until([&] { return child->state() == Child::State::Stopped; }));
  CHECK(keeper.ends.back() == "killed by signal 9 (Killed)");
}

TEST_CASE("child: a program that is not there is an end like another", "[daemon]") {
  Keeper keeper;
  Child child(keeper.loop, keeper.random, keeper,
              {"nothing", {"/nonexistent/program"}, {}, std::string()});
  child.start();
  REQUIRE(keeper.until([&] { return !keeper.ends.empty(); }));
  CHECK(keeper.ends.front() == "exit status 127");
  CHECK(child.last_line() == "cannot run /nonexistent/program: No such file or directory");
}

TEST_CASE("child: the owner may hold a start back", "[daemon]") {
  Keeper keeper;
  keeper.let_start = false;
  auto child = keeper.shell("echo started; exec sleep 60");
  child->start();
  REQUIRE(keeper.until([&] { return keeper.asked >= 2; }));
  CHECK(child->state() == Child::State::Waiting);
  keeper.let_start = true;
  CHECK(keeper.said("started"));
}
