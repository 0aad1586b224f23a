// grpc.health.v1 on the wire.
#include "upstream/grpc_health.h"

#include <catch2/catch.hpp>

using namespace mesh::upstream;
using namespace std::string_literals;

TEST_CASE("grpc health: the request") {
  CHECK(grpc_health_request("") == "\0\0\0\0\0"s);
  CHECK(grpc_health_request("a.B") == "\0\0\0\0\5\n\3a.B"s);
  const std::string longer = grpc_health_request(std::string(200, 'x'));
  CHECK(longer.substr(0, 8) == "\0\0\0\0\xcb\n\xc8\x01"s);
}

TEST_CASE("grpc health: only SERVING is well") {
  CHECK(grpc_health_serving("\0\0\0\0\2\b\1"s));
  CHECK_FALSE(grpc_health_serving("\0\0\0\0\2\b\2"s));      // NOT_SERVING
  CHECK_FALSE(grpc_health_serving("\0\0\0\0\0"s));          // UNKNOWN
  CHECK_FALSE(grpc_health_serving("\0\0\0\0\4\b\1\b\2"s));  // the last one counts
  CHECK(grpc_health_serving("\0\0\0\0\5\x12\1x\b\1"s));     // a field that we do not know
  CHECK(grpc_health_serving("\0\0\0\0\7\x1d\1\2\3\4\b\1"s));
}

TEST_CASE("grpc health: what does not parse is not well") {
  for (const std::string& bytes :
       {""s, "\0\0\0\0"s, "\1\0\0\0\2\b\1"s, "\0\0\0\0\3\b\1"s, "\0\0\0\0\1\b\1"s, "\0\0\0\0\1\b"s,
        "\0\0\0\0\2\b\x81"s, "\0\0\0\0\3\x12\5x"s, "\0\0\0\0\2\x0b\1"s, "\0\0\0\0\2\0\1"s,
        "\0\0\0\0\x0d\b\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"s})
    CHECK_FALSE(grpc_health_serving(bytes));
}
