// What a sticky session's cookie holds. Clients may send anything.

#include "http/session_cookie.h"

#include <catch2/catch.hpp>

#include "base/base64.h"

using namespace mesh;
using namespace std::chrono_literals;
using http::session_address;
using http::session_cookie;

TEST_CASE("session cookie: a cookie gives back its address until it is over", "[http]") {
  const std::string made = session_cookie("127.0.0.1:41001", 1'795'420'275s);
  CHECK(session_address(made, 1'795'420'275s) == "127.0.0.1:41001");
  CHECK(session_address(made, 1'795'420'276s).empty());
  CHECK(session_address(session_cookie("[::1]:80", 0s), 9'000'000'000s) == "[::1]:80");
  // As a stock Envoy 1.40 made it.
  CHECK(session_address("Cg8xMjcuMC4wLjE6NDEwMDEQ8+CP2AY=", 1s) == "127.0.0.1:41001");
}

TEST_CASE("session cookie: what is no session is none", "[http]") {
  for (const std::string& bytes : {std::string(), std::string("\x0a"),
                                   std::string("\x0a\x7f"
                                               "a"),
                                   std::string("\x12\x01"
                                               "a"),
                                   std::string("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
                                   "\x0a\xff\x7f" + std::string(20000, 'a')}) {
    CAPTURE(bytes.substr(0, 20));
    CHECK(session_address(base64::encode(bytes), 1s).empty());
  }
  CHECK(session_address("not base64", 1s).empty());
}
