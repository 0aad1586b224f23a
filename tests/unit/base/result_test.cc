// Errors as values.

#include "base/result.h"

#include <catch2/catch.hpp>
#include <cerrno>
#include <memory>

#include "base/random.h"

using namespace mesh;

namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return Error{Errc::Invalid, "odd"};
  return n / 2;
}

Result<int> quarter(int n) {
  MESH_TRY(const int h, half(n));
  MESH_TRY(const int q, half(h));
  return q;
}

Result<void> check_even(int n) {
  MESH_TRY_VOID(Result<void>(half(n) ? Result<void>() : Result<void>(half(n).error())));
  return {};
}

}  // namespace

TEST_CASE("result: a value, or the reason there is none", "[base]") {
  CHECK(*quarter(8) == 2);
  CHECK(quarter(6).error().text == "odd");
  CHECK(check_even(2));
  CHECK_FALSE(check_even(3));
}

TEST_CASE("result: a value that is an Error-like type is still a value", "[base]") {
  const Result<std::string> text(std::string("fine"));
  REQUIRE(text);
  CHECK(*text == "fine");
  Result<std::unique_ptr<int>> owned(std::make_unique<int>(7));
  const std::unique_ptr<int> taken = *std::move(owned);
  CHECK(*taken == 7);
}

TEST_CASE("result: errors gather what was being done, outermost first", "[base]") {
  errno = ENOENT;
  const Error error = errno_error("open /etc/x").during("load");
  CHECK(error.kind == Errc::System);
  CHECK(error.text == "load: open /etc/x: No such file or directory");
  CHECK(to_string(Errc::NotFound) == "not_found");
}

TEST_CASE("random: a seed is a sequence; below() stays below", "[base]") {
  Random a(7), b(7), c(8);
  CHECK(a.next() == b.next());
  CHECK(a.next() != c.next());
  CHECK(a.below(0) == 0);
  unsigned counts[3] = {};
  for (int i = 0; i < 3000; ++i) {
    const uint64_t n = a.below(3);
    REQUIRE(n < 3);
    ++counts[n];
    const double u = a.unit();
    REQUIRE((u >= 0 && u < 1));
  }
  for (const unsigned count : counts) CHECK(count > 800);
}
