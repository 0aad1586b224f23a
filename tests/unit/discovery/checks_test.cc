#include "discovery/checks.h"

#include <catch2/catch.hpp>

namespace {

using mesh::discovery::Checks;

TEST_CASE("checks: what is found is counted by address, the last word of each node") {
  Checks checks;
  CHECK(checks.set("a", {{"192.0.2.1:80", true}, {"192.0.2.2:80", false}}));
  CHECK(checks.set("b", {{"192.0.2.2:80", false}}));
  CHECK(checks.of("192.0.2.1:80").checked == 1);
  CHECK_FALSE(checks.of("192.0.2.1:80").all_failed());
  CHECK(checks.of("192.0.2.2:80").failed == 2);
  CHECK(checks.of("192.0.2.2:80").all_failed());
  CHECK_FALSE(checks.of("192.0.2.3:80").all_failed());
  CHECK(checks.set("b", {{"192.0.2.2:80", true}}));
  CHECK(checks.of("192.0.2.2:80").checked == 2);
  CHECK(checks.of("192.0.2.2:80").failed == 1);
  checks.drop("b");
  CHECK(checks.of("192.0.2.2:80").all_failed());
  CHECK(checks.set("a", {}));
  checks.drop("nobody");
  CHECK(checks.of("192.0.2.1:80").checked == 0);
  CHECK(checks.of("192.0.2.2:80").checked == 0);
}

TEST_CASE("checks: there is a limit, and whoever goes over it says nothing") {
  Checks checks;
  Checks::Findings many;
  for (size_t i = 0; i <= Checks::kFindingsMax; ++i) many.emplace(std::to_string(i), false);
  CHECK_FALSE(checks.set("a", many));
  CHECK(checks.of("1").checked == 0);
  CHECK(checks.set("a", {{"1", false}}));
  CHECK(checks.of("1").checked == 1);
}

}  // namespace
