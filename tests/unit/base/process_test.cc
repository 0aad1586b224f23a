#include "base/process.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

using namespace mesh;

TEST_CASE("process_ended: what runs has not; what was waited for has") {
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  REQUIRE(child > 0);
  CHECK_FALSE(process_ended(uint32_t(child)));
  CHECK_FALSE(process_ended(uint32_t(getpid())));
  kill(child, SIGKILL);
  REQUIRE(waitpid(child, nullptr, 0) == child);
  CHECK(process_ended(uint32_t(child)));
}

TEST_CASE("process_ended: of what is no process's id nothing is known") {
  CHECK_FALSE(process_ended(0));
  CHECK_FALSE(process_ended(UINT32_MAX));
}
