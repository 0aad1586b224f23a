// Credentials, levels, envelopes and errors: pure values. mesh-bus(7).

#include <catch2/catch.hpp>

#include "bus/envelope.h"
#include "bus/peer.h"

using namespace mesh;
using bus::Access;
using bus::Allow;
using bus::Peer;

TEST_CASE("peer: only libzmq's own form of credentials is believed", "[bus]") {
  const auto good = bus::parse_peer_address("localhost:1000:100:42");
  REQUIRE(good);
  CHECK(*good == Peer{1000, 100, 42});
  struct Row {
    const char* because;
    const char* property;
  };
  const Row rows[] = {
      {"absent", nullptr},
      {"empty", ""},
      {"no credentials", "localhost"},
      {"an address of TCP", "127.0.0.1"},
      {"another host", "otherhost:0:0:1"},
      {"a field less", "localhost:0:0"},
      {"a field more", "localhost:0:0:1:1"},
      {"an empty field", "localhost::0:1"},
      {"a sign", "localhost:-1:0:1"},
      {"over 32 bits", "localhost:4294967296:0:1"},
      {"the uid of nobody at all", "localhost:4294967295:0:1"},
      {"a blank", "localhost: 0:0:1"},
      {"hexadecimal", "localhost:0x0:0:1"},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      const auto peer = bus::parse_peer_address(row.property);
      REQUIRE(!peer);
      CHECK(peer.error().kind == Errc::Refused);
    }
  }
}

TEST_CASE("access: who may do what", "[bus]") {
  const Access open{.own_uid = 10, .operators = {20}, .workloads = {}};
  const Access closed{.own_uid = 10, .operators = {20}, .workloads = {30}};
  struct Row {
    const char* because;
    const Access& access;
    uint32_t uid;
    bool workload, is_operator;
  };
  const Row rows[] = {
      {"root may all", closed, 0, true, true},
      {"the daemon's own uid may all", closed, 10, true, true},
      {"an operator may all", closed, 20, true, true},
      {"a workload of the list", closed, 30, true, false},
      {"another, when there is a list", closed, 40, false, false},
      {"another, when there is none", open, 40, true, false},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      const Peer peer{row.uid, 1, 1};
      CHECK(row.access.allows(Allow::Anyone, peer));
      CHECK(row.access.allows(Allow::Workload, peer) == row.workload);
      CHECK(row.access.allows(Allow::Operator, peer) == row.is_operator);
    }
  }
}

TEST_CASE("error: every kind survives the wire", "[bus]") {
  for (const Errc kind :
       {Errc::Invalid, Errc::NotFound, Errc::Refused, Errc::TooBig, Errc::Unavailable,
        Errc::Timeout, Errc::Closed, Errc::System, Errc::Internal}) {
    const Error back = bus::from_wire(bus::to_wire({kind, "text"}));
    CHECK(back.kind == kind);
    CHECK(back.text == "text");
  }
  bus::v1::Error unknown;
  unknown.set_kind(bus::v1::Error::Kind(99));
  CHECK(bus::from_wire(unknown).kind == Errc::Internal);
}

TEST_CASE("clean: texts of others are cut, valid UTF-8, and forge no line", "[bus]") {
  CHECK(bus::clean("two\nlines\tand a tab", 100) == "two\nlines\tand a tab");
  CHECK(bus::clean("\x1b[31mred\r", 100) == "?[31mred?");
  CHECK(bus::clean("gr\xc3\xbc\xc3\x9f", 100) == "gr\xc3\xbc\xc3\x9f");
  CHECK(bus::clean("gr\xc3\xbc\xc3\x9f", 5) == "gr\xc3\xbc");
  CHECK(bus::clean("\xc3", 100) == "?");
  CHECK(bus::clean("\xc0\xaf", 100) == "??");            // overlong
  CHECK(bus::clean("\xed\xa0\x80", 100) == "???");       // a surrogate
  CHECK(bus::clean("\xf4\x90\x80\x80", 100) == "????");  // past the last code point
  CHECK(bus::clean(std::string(5000, 'x'), 4096).size() == 4096);
}
