#include "base/host_port.h"

#include <catch2/catch.hpp>

using mesh::bare_host;
using mesh::without_port;

TEST_CASE("host_port: an authority without its port", "[base]") {
  struct Row {
    const char* authority;
    const char* want;
  };
  const Row rows[] = {
      {"", ""},
      {"host", "host"},
      {"host:80", "host"},
      {"host:", "host"},
      {"host:http", "host:http"},
      {"10.0.0.1:80", "10.0.0.1"},
      {"[::1]", "[::1]"},
      {"[::1]:80", "[::1]"},
      {"[::1]:x", "[::1]:x"},
      {"::1", "::1"},
      {"2001:db8::80", "2001:db8::80"},
      {":80", ""},
  };
  for (const Row& row : rows) {
    INFO(row.authority);
    CHECK(without_port(row.authority) == row.want);
    const std::string_view want = row.want;
    CHECK(bare_host(row.authority) == (want == "[::1]" ? "::1" : want));
  }
}
