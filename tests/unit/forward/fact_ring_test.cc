// What a forwarder keeps of recent requests: forwarder(8), "request_facts_max".
#include "forward/fact_ring.h"

#include <catch2/catch.hpp>

namespace {

using namespace mesh;
using forward::FactRing;
using forward::RequestFact;
using std::chrono::milliseconds;

const Instant kStart = Instant{} + std::chrono::hours(1);

struct Ring {
  explicit Ring(size_t facts_max) : facts(facts_max) {}

  // The ticket, or 0 where it is not kept.
  uint64_t request(Instant now, std::string_view path, http::Fields fields = {}) {
    if (!facts.due(now)) return 0;
    http::RequestHead head;
    head.method = "GET";
    head.scheme = "http";
    head.authority = "reviews.example:80";
    head.path = path;
    head.fields = std::move(fields);
    return facts.begin({.at = WallTime{milliseconds(7)},
                        .listener = "outbound",
                        .head = head,
                        .peer = "spiffe://m/ns/demo/sa/web",
                        .remote = "10.0.0.5:4711",
                        .local = "10.0.0.9:80",
                        .server_name = "sni.example",
                        .route_config = "outbound"});
  }
  FactRing facts;
};

}  // namespace

TEST_CASE("facts: a request as it was matched, and what became of it", "[forward]") {
  Ring ring(4);
  http::Fields fields;
  fields.add("end-user", "jason");
  fields.add("authorization", "Bearer secret");
  fields.add("x-csrf-token", "secret");
  const uint64_t ticket = ring.request(kStart, "/a?user=7&empty&x=1=2", fields);
  REQUIRE(ticket != 0);
  const auto under_way = ring.facts.read(10);
  REQUIRE(under_way.size() == 1);
  CHECK(under_way[0].status == 0);
  CHECK(under_way[0].cluster.empty());
  ring.facts.end(ticket, "route-1", "outbound|80||reviews", 200);
  ring.facts.end(ticket, "again", "again", 500);
  const RequestFact fact = ring.facts.read(10)[0];
  CHECK(fact.at == WallTime{milliseconds(7)});
  CHECK(fact.listener == "outbound");
  CHECK(fact.method == "GET");
  CHECK(fact.scheme == "http");
  CHECK(fact.authority == "reviews.example:80");
  CHECK(fact.path == "/a?user=&empty&x=");
  CHECK(fact.peer == "spiffe://m/ns/demo/sa/web");
  CHECK(fact.remote == "10.0.0.5:4711");
  CHECK(fact.local == "10.0.0.9:80");
  CHECK(fact.server_name == "sni.example");
  CHECK(fact.fields == std::vector<std::pair<std::string, std::string>>{
                           {"end-user", "jason"}, {"authorization", ""}, {"x-csrf-token", ""}});
  CHECK(fact.route_config == "outbound");
  CHECK(fact.route == "route-1");
  CHECK(fact.cluster == "outbound|80||reviews");
  CHECK(fact.status == 200);
  CHECK(fact.requests == 1);
  CHECK(!fact.cut);
}

TEST_CASE("facts: the newest are kept, the oldest first; who was overwritten is let be",
          "[forward]") {
  Ring ring(3);
  const uint64_t first = ring.request(kStart, "/1");
  for (const char* const path : {"/2", "/3", "/4"}) ring.request(kStart, path);
  ring.facts.end(first, "r", "c", 200);
  const auto facts = ring.facts.read(10);
  REQUIRE(facts.size() == 3);
  CHECK(facts[0].path == "/2");
  CHECK(facts[2].path == "/4");
  CHECK(facts[2].status == 0);
  CHECK(ring.facts.read(1)[0].path == "/4");
}

TEST_CASE("facts: of a second's requests the first are kept; the next says for how many",
          "[forward]") {
  Ring ring(1000);
  size_t kept = 0;
  for (int i = 0; i < 500; ++i) kept += ring.request(kStart, "/") != 0;
  CHECK(kept == FactRing::kKeptASecond);
  CHECK(ring.request(kStart + milliseconds(999), "/") == 0);
  CHECK(ring.request(kStart + milliseconds(1000), "/next") != 0);
  uint32_t requests = 0;
  for (const auto& fact : ring.facts.read(1000)) requests += fact.requests;
  CHECK(requests == 502);
  CHECK(ring.facts.read(1)[0].requests == 502 - FactRing::kKeptASecond);
}

TEST_CASE("facts: what is too long is cut and says so; nothing is kept of none", "[forward]") {
  Ring ring(2);
  http::Fields fields;
  for (int i = 0; i < 50; ++i) fields.add("x-name", "some value");
  const std::string path(4000, 'p');
  const uint64_t ticket = ring.request(kStart, path + "?a=b", fields);
  ring.facts.end(ticket, std::string(300, 'r'), "cluster", 200);
  const RequestFact fact = ring.facts.read(1)[0];
  CHECK(fact.cut);
  CHECK(fact.path == path.substr(0, fact.path.size()));
  CHECK(fact.path.size() > 100);
  CHECK(fact.authority == "reviews.example:80");
  CHECK(fact.cluster == "cluster");
  CHECK(fact.route.starts_with("rrrrrrrrrr"));

  ring.request(kStart, "/" + path + "?a=b");
  CHECK(ring.facts.read(1)[0].cut);

  Ring none(0);
  CHECK(none.request(kStart, "/") == 0);
  CHECK(none.facts.read(10).empty());
}

TEST_CASE("facts: of tokens what is asked for, and what has room", "[forward]") {
  using Tokens = RequestFact::Tokens;
  FactRing facts(1);
  http::RequestHead head;
  const auto payload = json::parse(R"({"sub": "ann", "realm": {"roles": ["a", "b"], "n": 1.50},
      "long": ")" + std::string(170, 'l') +
                                   R"("})");
  REQUIRE(payload);
  const std::vector<route::TokenClaims> tokens{{.name = "payload", .payload = &*payload}};
  const std::vector<std::vector<std::string>> asked{
      {"payload", "sub"}, {"payload", "realm"}, {"payload", "gone"}, {"payload", "long"}};
  const auto kept = [&](Tokens became, std::span<const route::TokenClaims> found) {
    REQUIRE(facts.due(kStart));
    const uint64_t ticket = facts.begin({.at = {},
                                         .listener = "inbound",
                                         .head = head,
                                         .peer = {},
                                         .remote = {},
                                         .local = {},
                                         .server_name = {},
                                         .route_config = {},
                                         .claims = true});
    facts.add_claims(ticket, became, asked, found);
    facts.add_claims(ticket, Tokens::None, asked, {});  // the first word holds
    facts.end(ticket, "route", "cluster", 200);
    return facts.read(1)[0];
  };
  const RequestFact good = kept(Tokens::Good, tokens);
  CHECK(good.tokens == Tokens::Good);
  REQUIRE(good.claims.size() == 3);
  CHECK(good.claims[0].path == asked[0]);
  CHECK(good.claims[0].json == R"("ann")");
  CHECK(good.claims[1].json == R"({"roles":["a","b"],"n":1.50})");
  CHECK(good.claims[2].path == asked[2]);
  CHECK(good.claims[2].json.empty());
  CHECK(good.cluster == "cluster");
  CHECK(good.route == "route");
  const RequestFact none = kept(Tokens::None, {});
  CHECK(none.tokens == Tokens::None);
  CHECK(none.claims.empty());
  CHECK(kept(Tokens::Refused, {}).tokens == Tokens::Refused);
  // A head that fills the slot leaves them their room.
  for (int i = 0; i < 50; ++i) head.fields.add("x-name", "some value");
  CHECK(kept(Tokens::Good, tokens).claims.size() == 3);
}

TEST_CASE("facts: of a client without a name, over clear text", "[forward]") {
  FactRing facts(1);
  REQUIRE(facts.due(kStart));
  http::RequestHead head;  // views of nothing, whose data() is null
  facts.end(facts.begin({.at = {},
                         .listener = "outbound",
                         .head = head,
                         .peer = {},
                         .remote = {},
                         .local = {},
                         .server_name = {},
                         .route_config = {}}),
            {}, {}, 404);
  const auto kept = facts.read(1);
  REQUIRE(kept.size() == 1);
  CHECK(kept[0].listener == "outbound");
  CHECK(kept[0].peer.empty());
  CHECK(kept[0].status == 404);
  CHECK(!kept[0].cut);
}
