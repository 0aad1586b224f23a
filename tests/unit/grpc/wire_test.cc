// gRPC's words: statuses, messages, timeouts, metadata.
#include <catch2/catch.hpp>

#include "grpc/framing.h"
#include "grpc/metadata.h"
#include "grpc/status.h"
#include "grpc/timeout.h"

using namespace mesh;
using namespace std::chrono_literals;
using namespace std::string_literals;
using grpc::Code;

TEST_CASE("grpc: a status message is percent-encoded, and back", "[grpc]") {
  CHECK(grpc::encode_message("as it is: ~") == "as it is: ~");
  CHECK(grpc::encode_message("100% \n\xc3\xa9") == "100%25 %0A%C3%A9");
  CHECK(grpc::decode_message("100%25 %0a%C3%A9") == "100% \n\xc3\xa9");
  // What is no escape stays.
  CHECK(grpc::decode_message("50% of%2") == "50% of%2");
  CHECK(grpc::decode_message("%zz%") == "%zz%");
  CHECK(grpc::decode_message("%41") == "A");
}

TEST_CASE("grpc: statuses", "[grpc]") {
  CHECK(grpc::parse_code("0") == Code::Ok);
  CHECK(grpc::parse_code("14") == Code::Unavailable);
  for (const char* odd : {"17", "-1", "", "x", "1 ", "99999999999"})
    CHECK(grpc::parse_code(odd) == Code::Unknown);
  CHECK(grpc::code_of_http(503) == Code::Unavailable);
  CHECK(grpc::code_of_http(404) == Code::Unimplemented);
  CHECK(grpc::code_of_http(418) == Code::Unknown);
  CHECK(grpc::status_of(http::ResetReason::Refused).code == Code::Unavailable);
  CHECK(grpc::Status{Code::NotFound, "gone"}.text() == "NOT_FOUND: gone");
  for (const Errc kind : {Errc::Invalid, Errc::NotFound, Errc::Refused, Errc::TooBig,
                          Errc::Unavailable, Errc::Timeout, Errc::Closed, Errc::Internal})
    CHECK(grpc::Status::of(Error{kind, "x"}).error().kind == kind);
}

TEST_CASE("grpc: timeouts have at most eight digits and a unit", "[grpc]") {
  struct Row {
    const char* text;
    Duration want;
  };
  const Row rows[] = {{"1H", 1h},
                      {"2M", 2min},
                      {"3S", 3s},
                      {"4m", 4ms},
                      {"5u", 5us},
                      {"6n", 6ns},
                      {"0n", 0ns},
                      {"99999999n", 99999999ns},
                      {"99999999H", Duration(24h * 3650)}};
  for (const Row& row : rows) CHECK(grpc::parse_timeout(row.text) == row.want);
  for (const char* odd : {"", "S", "1", "1s", "-1S", "123456789S", "1 S", "1.5S"})
    CHECK(!grpc::parse_timeout(odd));
  CHECK(grpc::format_timeout(99ns) == "99n");
  CHECK(grpc::format_timeout(1s) == "1000000u");
  CHECK(grpc::format_timeout(1h) == "3600000m");
  CHECK(grpc::format_timeout(-1s) == "0n");
  CHECK(*grpc::parse_timeout(grpc::format_timeout(7h)) == 7h);
}

TEST_CASE("grpc: bytes are cut into messages wherever they were cut before", "[grpc]") {
  const std::string wire =
      grpc::prefix_of(3) + "abc" + grpc::prefix_of(0) + grpc::prefix_of(1) + "d";
  for (size_t step = 1; step <= wire.size(); ++step) {
    grpc::Deframer deframer(16);
    std::string heard;
    for (size_t at = 0; at < wire.size(); at += step) {
      deframer.add(std::string_view(wire).substr(at, step));
      for (;;) {
        const auto next = deframer.next();
        REQUIRE(next.has_value());
        if (!*next) break;
        heard += "[" + std::string(**next) + "]";
      }
    }
    CHECK(heard == "[abc][][d]");
    CHECK(deframer.held() == 0);
  }
}

TEST_CASE("grpc: a message too long, compressed or not of gRPC is an error at its prefix",
          "[grpc]") {
  grpc::Deframer small(4);
  small.add(grpc::prefix_of(5));
  CHECK(small.next().error().kind == Errc::TooBig);
  grpc::Deframer compressed;
  compressed.add("\1\0\0\0\1"s);
  CHECK(compressed.next().error().kind == Errc::Invalid);
  grpc::Deframer garbage;
  garbage.add("GET / HTTP/1.1");
  CHECK(garbage.next().error().kind == Errc::Invalid);
}

TEST_CASE("grpc: metadata of names that end in -bin is any bytes", "[grpc]") {
  const grpc::Metadata given = {{"authorization", "Bearer x"}, {"key-bin", "\0\1\xff"s}};
  http::Fields fields;
  fields.add("content-type", "application/grpc");
  fields.add("grpc-status", "0");
  std::vector<std::string> memory;
  REQUIRE(grpc::add_metadata(given, fields, memory));
  const auto back = grpc::metadata_of(fields);
  REQUIRE(back);
  CHECK(*back == given);

  http::Fields unpadded;
  unpadded.add("key-bin", "AAE, /w");
  CHECK(*grpc::metadata_of(unpadded) == grpc::Metadata{{"key-bin", "\0\1"s}, {"key-bin", "\xff"}});
  http::Fields broken;
  broken.add("key-bin", "!");
  CHECK(!grpc::metadata_of(broken));

  for (const grpc::Metadata& odd :
       {grpc::Metadata{{"Upper", "x"}}, grpc::Metadata{{"x", "a\r\nb: c"}},
        grpc::Metadata{{"grpc-timeout", "1S"}}, grpc::Metadata{{"te", "x"}},
        grpc::Metadata{{"connection", "close"}}, grpc::Metadata{{":path", "/"}}}) {
    http::Fields refused;
    std::vector<std::string> unused;
    CHECK(!grpc::add_metadata(odd, refused, unused));
  }
}
