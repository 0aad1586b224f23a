// One process holds a lock; who it is can be asked.

#include "daemon/lock_file.h"

#include <signal.h>

#include <catch2/catch.hpp>

#include "support/process.h"
#include "support/temp_dir.h"

using namespace mesh;
using daemon::LockFile;

TEST_CASE("lock file: a second holder is refused until the first lets go", "[daemon]") {
  support::TempDir dir;
  const std::string path = dir.file("x.lock");
  CHECK_FALSE(*LockFile::holder(path));
  auto first = LockFile::acquire(path);
  REQUIRE(first);
  const auto second = LockFile::acquire(path);
  REQUIRE_FALSE(second);
  CHECK(second.error().kind == Errc::Refused);
  CHECK_THAT(second.error().text, Catch::Contains("process " + std::to_string(getpid())));
  const auto holder = LockFile::holder(path);
  REQUIRE((holder && *holder));
  CHECK((*holder)->alive);
  CHECK((*holder)->pid == getpid());
  first->release();
  CHECK_FALSE(*LockFile::holder(path));
  CHECK(LockFile::acquire(path));
}

TEST_CASE("lock file: one that died is known by the file it left", "[daemon]") {
  support::TempDir dir;
  const std::string path = dir.file("x.lock");
  support::Process child([&] {
    const auto lock = LockFile::acquire(path);
    puts(lock ? "held" : "refused");
    fflush(stdout);
    pause();
    return 0;
  });
  REQUIRE(child.wait_out("held"));
  CHECK((*LockFile::holder(path))->alive);
  child.signal(SIGKILL);
  REQUIRE(child.wait_exit() == 128 + SIGKILL);
  const auto holder = LockFile::holder(path);
  REQUIRE((holder && *holder));
  CHECK_FALSE((*holder)->alive);
  CHECK((*holder)->pid == child.pid());
  CHECK(LockFile::acquire(path));
}
