// The store loses nothing that it accepted: configd(8), "FILES".

#include "config/store.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "support/process.h"
#include "support/temp_dir.h"

using namespace mesh;

namespace {

const WallTime kNow{std::chrono::seconds(1'700'000'000)};

config::ObjectSet set_of(std::initializer_list<const char*> names) {
  config::ObjectSet set;
  for (const char* const name : names) {
    config::v1::Object object;
    object.set_kind("WorkloadEntry");
    object.set_namespace_("default");
    object.set_name(name);
    set.put(std::move(object));
  }
  return set;
}

// The generation that a daemon started now would serve.
std::string in_force(const std::string& directory) {
  config::Store store(directory);
  const auto opened = store.open();
  if (!opened) return opened.error().text;
  const auto set = store.load();
  return set ? set->generation() : set.error().text;
}

}  // namespace

TEST_CASE("store: the last accepted generation is there after a restart", "[config]") {
  support::TempDir dir;
  CHECK(in_force(dir.path()) == set_of({}).generation());
  config::Store store(dir.path(), 2);
  REQUIRE(store.open());
  for (const char* const name : {"a", "b", "c"}) {
    REQUIRE(store.commit(set_of({name, "shared"}), kNow));
    CHECK(in_force(dir.path()) == set_of({name, "shared"}).generation());
  }
  SECTION("history is bounded, and what nobody needs is removed") {
    CHECK(store.history().size() == 2);
    CHECK(store.load(store.history()[0].generation)->generation() ==
          set_of({"b", "shared"}).generation());
    CHECK(!store.load(set_of({"a", "shared"}).generation()));
    const auto count = [&](const char* sub) {
      return std::distance(std::filesystem::directory_iterator(dir.file(sub)), {});
    };
    CHECK(count("objects") == 3);
    CHECK(count("generations") == 2);
  }
  SECTION("the same again is no new generation") {
    REQUIRE(store.commit(set_of({"shared", "c"}), kNow));
    CHECK(store.history().size() == 2);
    CHECK(store.history().back().generation == set_of({"c", "shared"}).generation());
  }
  SECTION("damage is found, and named") {
    for (const auto& entry : std::filesystem::directory_iterator(dir.file("objects")))
      dir.write("objects/" + entry.path().filename().string(), "?");
    CHECK(in_force(dir.path()).find("/objects/") != std::string::npos);
  }
}

TEST_CASE("store: a crash before any step leaves the old or the new, whole", "[config]") {
  const std::string before = set_of({"a", "b"}).generation();
  const std::string after = set_of({"b", "c", "d"}).generation();
  int steps = 0;
  bool finished = false;
  for (; steps < 50 && !finished; ++steps) {
    support::TempDir dir;
    {
      config::Store store(dir.path());
      REQUIRE(store.open());
      REQUIRE(store.commit(set_of({"a", "b"}), kNow));
    }
    support::Process child([&] {
      int left = steps;
      config::Store store(dir.path(), 1, [&](std::string_view) {
        if (left-- == 0) ::_exit(9);
      });
      return store.open() && store.commit(set_of({"b", "c", "d"}), kNow) ? 0 : 1;
    });
    const auto status = child.wait_exit();
    REQUIRE(status);
    finished = *status == 0;
    CHECK((finished || *status == 9));
    const std::string now = in_force(dir.path());
    CHECK((now == after || (now == before && !finished)));
  }
  CHECK(finished);
  CHECK(steps > 5);
}

TEST_CASE("store: a full disk is an error and changes nothing", "[config]") {
  support::TempDir dir;
  const std::string before = set_of({"a"}).generation();
  {
    config::Store store(dir.path());
    REQUIRE(store.open());
    REQUIRE(store.commit(set_of({"a"}), kNow));
  }
  // Files cannot grow over 20 bytes: the manifest does not fit.
  support::Process child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{20, 20};
    ::setrlimit(RLIMIT_FSIZE, &small);
    config::Store store(dir.path());
    if (!store.open()) return 1;
    const auto done = store.commit(set_of({"a", "b", "c"}), kNow);
    return !done && done.error().kind == Errc::System && store.load()->generation() == before ? 0
                                                                                              : 2;
  });
  CHECK(child.wait_exit() == 0);
  CHECK(in_force(dir.path()) == before);
}
