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
    CHECK(count("parts") == 2);
    CHECK(count("generations") == 2);
  }
  SECTION("the same again is no new generation") {
    REQUIRE(store.commit(set_of({"shared", "c"}), kNow));
    CHECK(store.history().size() == 2);
    CHECK(store.history().back().generation == set_of({"c", "shared"}).generation());
  }
}

namespace {

// Accepts a, b and c, each beside "shared", one a minute.
void commit_three(config::Store& store) {
  REQUIRE(store.open());
  uint32_t minutes = 0;
  for (const char* const name : {"a", "b", "c"})
    REQUIRE(store.commit(set_of({name, "shared"}), kNow + std::chrono::minutes(minutes++),
                         {.how = "apply", .uid = 1000}));
}

// Changes one byte of one object, wherever it is kept.
void damage(const support::TempDir& dir, const char* name) {
  const std::string bytes = config::canonical_bytes(*set_of({name}).objects().begin()->second);
  for (const auto& entry : std::filesystem::directory_iterator(dir.file("parts"))) {
    const std::string file = "parts/" + entry.path().filename().string();
    std::string text = dir.read(file);
    const size_t at = text.find(bytes);
    if (at == std::string::npos) continue;
    text[at + bytes.size() - 1] ^= 1;
    dir.write(file, text);
  }
}

}  // namespace

TEST_CASE("store: damage is left aside, named, and mended by the next commit", "[config]") {
  support::TempDir dir;
  {
    config::Store store(dir.path());
    commit_three(store);
  }
  const std::string b = set_of({"b", "shared"}).generation();
  const std::string c = set_of({"c", "shared"}).generation();
  SECTION("the newest generation that is whole is in force") {
    damage(dir, "c");
    CHECK(in_force(dir.path()).find("/parts/") != std::string::npos);
    config::Store store(dir.path());
    REQUIRE(store.open());
    REQUIRE(store.recover());
    CHECK(store.history().back().generation == b);
    CHECK(store.damage().find("/parts/") != std::string::npos);
    CHECK(store.damage().find(b) != std::string::npos);
    REQUIRE(store.commit(set_of({"c", "shared"}), kNow));
    CHECK(in_force(dir.path()) == c);
  }
  SECTION("no generation is whole: an error, not an empty set") {
    damage(dir, "shared");
    config::Store store(dir.path());
    REQUIRE(store.open());
    const auto recovered = store.recover();
    REQUIRE(!recovered);
    CHECK(recovered.error().kind == Errc::Invalid);
    REQUIRE(store.commit(set_of({"c", "shared"}), kNow));
    CHECK(in_force(dir.path()) == c);
  }
  SECTION("a lost history is made anew from the generations, by their age") {
    std::filesystem::remove(dir.file("history"));
    using Time = std::filesystem::file_time_type;
    const Time now = Time::clock::now();
    for (const auto& entry : std::filesystem::directory_iterator(dir.file("generations")))
      std::filesystem::last_write_time(
          entry.path(), entry.path().filename() == b ? now : now - std::chrono::hours(1));
    config::Store store(dir.path());
    REQUIRE(store.open());
    CHECK(store.history().size() == 3);
    CHECK(store.recover()->generation() == b);
    CHECK(!store.damage().empty());
  }
  SECTION("a line of the history that is none is left out, and the file kept") {
    const std::string lines = dir.read("history");
    dir.write("history", lines.substr(0, lines.rfind('\n', lines.size() - 2)) + "\n\x01rubbish\n");
    config::Store store(dir.path());
    REQUIRE(store.open());
    CHECK(store.history().size() == 2);
    CHECK(store.recover()->generation() == b);
    CHECK(dir.read("history.damaged").find("rubbish") != std::string::npos);
  }
}

TEST_CASE("store: generations are named by digits, by number and from the end", "[config]") {
  support::TempDir dir;
  config::Store store(dir.path());
  commit_three(store);
  const std::string a = set_of({"a", "shared"}).generation();
  const std::string b = set_of({"b", "shared"}).generation();
  const std::string c = set_of({"c", "shared"}).generation();
  const auto named = [&](std::string_view name) {
    const auto record = store.resolve(name);
    return record ? record->generation : record.error().text;
  };
  CHECK(named(a) == a);
  CHECK(named(b.substr(0, 6)) == b);
  CHECK(named("@1") == a);
  CHECK(named("@3") == c);
  CHECK(named("@-1") == b);
  CHECK(named("@-0") == c);
  CHECK(store.resolve("@-3").error().kind == Errc::NotFound);
  CHECK(store.resolve("@4").error().kind == Errc::NotFound);
  CHECK(store.resolve("@99999999999999999999").error().kind == Errc::Invalid);
  CHECK(store.resolve("ffffffffffff").error().kind == Errc::NotFound);
  for (const char* const none : {"", "@", "@x", "abc", "0123456789abc", "ABCD", "../history"}) {
    INFO(none);
    CHECK(store.resolve(none).error().kind == Errc::Invalid);
  }
}

TEST_CASE("store: who and how survive a restart; numbers go on when old ones leave", "[config]") {
  support::TempDir dir;
  {
    config::Store store(dir.path(), 2);
    commit_three(store);
  }
  config::Store store(dir.path(), 2);
  REQUIRE(store.open());
  REQUIRE(store.history().size() == 2);
  CHECK(store.history()[1].number == 3);
  CHECK(store.history()[1].origin.how == "apply");
  CHECK(store.history()[1].origin.uid == 1000U);
  REQUIRE(store.commit(set_of({"d"}), kNow));
  CHECK(store.history()[1].number == 4);
  CHECK(!store.history()[1].origin.uid);
  CHECK(store.resolve("@2").error().kind == Errc::NotFound);

  const auto changes = store.changes(1);
  REQUIRE(changes);
  REQUIRE(*changes);
  CHECK((*changes)->created == std::vector<config::Name>{{"WorkloadEntry", "default", "d"}});
  CHECK((*changes)->configured.empty());
  CHECK((*changes)->deleted.size() == 2);
  CHECK(!*store.changes(0));
}

TEST_CASE("store: what is pinned is kept over the limit", "[config]") {
  support::TempDir dir;
  config::Store store(dir.path(), 1);
  REQUIRE(store.open());
  REQUIRE(store.commit(set_of({"a"}), kNow));
  const std::string a = set_of({"a"}).generation();
  store.pin(a);
  REQUIRE(store.commit(set_of({"b"}), kNow));
  CHECK(store.load(a));
  store.pin("");
  REQUIRE(store.commit(set_of({"c"}), kNow));
  CHECK(!store.load(a));
}

TEST_CASE("store: generations share what they have in common, and leave nothing", "[config]") {
  support::TempDir dir;
  config::ObjectSet set;
  const auto entry = [](int number, const std::string& file) {
    config::v1::Object object;
    object.set_kind("WorkloadEntry");
    object.set_namespace_("default");
    object.set_name("w" + std::to_string(number));
    object.set_file(file);
    return object;
  };
  for (int i = 0; i < 600; ++i) set.put(entry(i, "a.yaml"));
  REQUIRE(set.parts().size() > 2);
  std::vector<std::string> written;
  config::Store store(dir.path(), 3, [&](std::string_view path) { written.emplace_back(path); });
  REQUIRE(store.open());
  REQUIRE(store.commit(set, kNow));
  const auto count = [&](const char* sub) {
    return size_t(std::distance(std::filesystem::directory_iterator(dir.file(sub)), {}));
  };
  for (int round = 0; round < 12; ++round) {
    // Moved to another file it is another object of the same generation.
    if (round % 3 == 0)
      set.put(entry(round, "moved.yaml"));
    else if (round % 3 == 1)
      REQUIRE(set.remove({"WorkloadEntry", "default", "w" + std::to_string(round)}));
    else
      set.put(entry(1000 + round, "b.yaml"));
    written.clear();
    REQUIRE(store.commit(set, kNow));
    // Two parts, the generation, a sync, the history; and as many to remove.
    CHECK(written.size() <= 8);
    CHECK(in_force(dir.path()) == set.generation());
    config::Store again(dir.path(), 3);
    REQUIRE(again.open());
    CHECK(config::identical(*again.load(), set));
    for (const auto& record : store.history()) CHECK(store.load(record.generation));
  }
  config::Store last(dir.path(), 1);
  REQUIRE(last.open());
  REQUIRE(last.commit(set, kNow));
  CHECK(count("parts") == set.parts().size());
  CHECK(count("generations") == 1);
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
