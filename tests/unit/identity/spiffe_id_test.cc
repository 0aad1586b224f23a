// What is a SPIFFE ID. A row is a sentence of the SPIFFE ID standard, section 2.

#include "identity/spiffe_id.h"

#include <catch2/catch.hpp>

using namespace mesh;
using identity::SpiffeId;

TEST_CASE("spiffe id: what is taken and what is refused", "[identity]") {
  struct Row {
    const char* because;
    std::string uri;
    bool good;
  };
  const Row rows[] = {
      {"Istio's form", "spiffe://cluster.local/ns/default/sa/reviews", true},
      {"any path", "spiffe://example.org/a/b/c-d_e.F", true},
      {"a trust domain alone", "spiffe://example.org", true},
      {"digits and marks in a trust domain", "spiffe://a-1_b.c/x", true},
      {"a segment of dots that is no step", "spiffe://td/...", true},
      {"upper-case scheme is not repaired", "SPIFFE://td/x", false},
      {"upper-case trust domain", "spiffe://Td/x", false},
      {"another scheme", "https://td/x", false},
      {"no trust domain", "spiffe:///x", false},
      {"nothing", "", false},
      {"a port", "spiffe://td:80/x", false},
      {"a user", "spiffe://u@td/x", false},
      {"a query", "spiffe://td/x?y", false},
      {"a fragment", "spiffe://td/x#y", false},
      {"percent encoding", "spiffe://td/%41", false},
      {"a trailing slash", "spiffe://td/x/", false},
      {"a slash alone", "spiffe://td/", false},
      {"an empty segment", "spiffe://td/a//b", false},
      {"a step here", "spiffe://td/./a", false},
      {"a step up", "spiffe://td/a/..", false},
      {"a NUL", std::string("spiffe://td/a\0b", 15), false},
      {"a blank", "spiffe://td/a b", false},
      {"UTF-8", "spiffe://td/\xc3\xa9", false},
      {"the longest trust domain", "spiffe://" + std::string(255, 'a') + "/x", true},
      {"a longer trust domain", "spiffe://" + std::string(256, 'a') + "/x", false},
      {"2048 bytes", "spiffe://td/" + std::string(2036, 'a'), true},
      {"2049 bytes", "spiffe://td/" + std::string(2037, 'a'), false},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      const auto id = SpiffeId::parse(row.uri);
      CHECK(id.has_value() == row.good);
      if (id) CHECK(id->uri() == row.uri);
    }
  }
}

TEST_CASE("spiffe id: its parts", "[identity]") {
  const auto id = SpiffeId::for_workload("cluster.local", "default", "reviews");
  REQUIRE(id);
  CHECK(id->uri() == "spiffe://cluster.local/ns/default/sa/reviews");
  CHECK(id->trust_domain() == "cluster.local");
  CHECK(id->path() == "/ns/default/sa/reviews");
  CHECK(id->principal() == "cluster.local/ns/default/sa/reviews");
  REQUIRE(id->workload());
  CHECK(id->workload()->ns == "default");
  CHECK(id->workload()->service_account == "reviews");

  CHECK_FALSE(SpiffeId::parse("spiffe://td/ns/a/sa/b/c")->workload());
  CHECK_FALSE(SpiffeId::parse("spiffe://td/sa/a/ns/b")->workload());
  CHECK(SpiffeId::for_trust_domain("td")->path().empty());
}

TEST_CASE("spiffe id: names cannot smuggle segments", "[identity]") {
  CHECK_FALSE(SpiffeId::for_workload("td", "a/sa/admin", "x"));
  CHECK_FALSE(SpiffeId::for_workload("td", "a", "x/y"));
  CHECK_FALSE(SpiffeId::for_workload("td", "a", ".."));
  CHECK_FALSE(SpiffeId::for_workload("td", "", "x"));
  CHECK_FALSE(SpiffeId::for_workload("td/ns", "a", "x"));
  CHECK_FALSE(SpiffeId::for_trust_domain("td/ns"));
}
