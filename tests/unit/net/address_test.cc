// How addresses are written and read.
#include "net/address.h"

#include <catch2/catch.hpp>

using mesh::net::Address;

TEST_CASE("address: what is written is read back", "[net]") {
  struct Row {
    const char* because;
    std::string_view text;
    std::string_view want;  // empty: refused
  };
  const Row rows[] = {
      {"IPv4", "10.1.2.3:80", "10.1.2.3:80"},
      {"IPv6 in brackets", "[::1]:15001", "[::1]:15001"},
      {"localhost is 127.0.0.1", "localhost:9080", "127.0.0.1:9080"},
      {"port 0 lets the kernel choose", "127.0.0.1:0", "127.0.0.1:0"},
      {"a path with its scheme", "unix:/run/x.sock", "unix:/run/x.sock"},
      {"a bare path", "/run/x.sock", "unix:/run/x.sock"},
      {"an abstract name", "@mesh", "unix:@mesh"},
      {"a port over 65535", "10.1.2.3:65536", ""},
      {"no port", "10.1.2.3", ""},
      {"an empty port", "10.1.2.3:", ""},
      {"IPv6 without brackets", "::1:80", ""},
      {"brackets around IPv4", "[10.1.2.3]:80", ""},
      {"a name that needs DNS", "example.org:80", ""},
      {"an octet over 255", "10.1.2.300:80", ""},
      {"an empty path", "unix:", ""},
      {"nothing", "", ""},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      const auto address = Address::parse(row.text);
      REQUIRE(address.has_value() == !row.want.empty());
      if (address) CHECK(address->to_string() == row.want);
    }
  }
  CHECK_FALSE(Address::unix_path(std::string(108, 'x')));
  CHECK_FALSE(Address::unix_path(std::string_view("a\0b", 3)));
}

TEST_CASE("address: equality and loopback", "[net]") {
  CHECK(*Address::parse("127.0.0.1:80") == *Address::ip("localhost", 80));
  CHECK_FALSE(*Address::parse("127.0.0.1:80") == *Address::parse("127.0.0.1:81"));
  CHECK(Address::parse("127.9.9.9:80")->is_loopback());
  CHECK(Address::parse("[::1]:80")->is_loopback());
  CHECK_FALSE(Address::parse("10.0.0.1:80")->is_loopback());
}
