#include "http/cookie.h"

#include <catch2/catch.hpp>

using namespace mesh;

TEST_CASE("cookie: the first of its name, unquoted", "[http]") {
  http::Fields fields;
  fields.add("cookie", "a=1; sid=\"x=y==\" ;b; =c; sid=2");
  fields.add("cookie", "late=3");
  CHECK(http::cookie(fields, "a") == "1");
  CHECK(http::cookie(fields, "sid") == "x=y==");
  CHECK(http::cookie(fields, "late") == "3");
  CHECK_FALSE(http::cookie(fields, "b"));
  CHECK_FALSE(http::cookie(fields, "SID"));
  CHECK_FALSE(http::cookie({}, "a"));
}

TEST_CASE("cookie: made as Envoy makes them", "[http]") {
  using namespace std::chrono_literals;
  CHECK(http::set_cookie({.name = "n", .value = "v"}) == "n=\"v\"; HttpOnly");
  const std::vector<std::pair<std::string, std::string>> more = {{"SameSite", "Lax"},
                                                                 {"Secure", ""}};
  CHECK(http::set_cookie(
            {.name = "n", .value = "v", .max_age = 60s, .path = "/a", .attributes = more}) ==
        "n=\"v\"; Max-Age=60; Path=/a; SameSite=Lax; Secure; HttpOnly");
}
