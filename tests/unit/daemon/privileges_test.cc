// A daemon that was started as root becomes another user for good.

#include "daemon/privileges.h"

#include <grp.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "support/process.h"

using namespace mesh;

TEST_CASE("privileges: a user that is not there is not found", "[daemon]") {
  const auto user = daemon::find_user("nobody-has-this-name");
  REQUIRE_FALSE(user);
  CHECK(user.error().kind == Errc::NotFound);
}

TEST_CASE("privileges: root goes away with all its groups", "[daemon]") {
  const auto nobody = daemon::find_user("nobody");
  REQUIRE(nobody);
  support::Process child([&]() -> int {
    const auto became = daemon::become(*nobody);
    if (!became) {
      printf("refused: %s\n", became.error().text.c_str());
      return 2;
    }
    gid_t groups[8];
    const int count = getgroups(8, groups);
    for (int i = 0; i < count; ++i)
      if (groups[i] == 0) return 3;
    if (getuid() != nobody->uid || getegid() != nobody->gid) return 4;
    return seteuid(0) == 0 ? 5 : 0;
  });
  // An ordinary user cannot become another, and is told so.
  CHECK(child.wait_exit() == (geteuid() == 0 ? 0 : 2));
}
