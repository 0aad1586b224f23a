// When keys of tokens are fetched, and what becomes of what comes.
#include <catch2/catch.hpp>

#include "discovery/fetched_keys.h"

namespace {

using namespace mesh;
using namespace mesh::discovery;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

std::string set(const std::string& id) {
  return R"({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": ")" + id +
         R"(", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})";
}

const std::string kUrl = "https://i/keys";
const Instant kNow{std::chrono::hours(1)};

}  // namespace

TEST_CASE("fetched keys: where they are", "[discovery]") {
  ::istio::security::v1beta1::JWTRule rule;
  rule.set_issuer("https://i/");
  CHECK(key_source(rule) == "https://i/.well-known/openid-configuration");
  rule.set_jwks_uri(kUrl);
  CHECK(key_source(rule) == kUrl);
  rule.set_jwks("{}");
  CHECK(key_source(rule).empty());
}

TEST_CASE("fetched keys: at once, then every twenty minutes", "[discovery]") {
  FetchedKeys keys;
  CHECK_FALSE(keys.next_due());
  CHECK_FALSE(keys.want({{kUrl, seconds(3)}}, kNow));
  CHECK(keys.next_due() == kNow);
  const auto due = keys.due(kNow);
  REQUIRE(due.size() == 1);
  CHECK(due[0].url == kUrl);
  CHECK(due[0].timeout == seconds(3));
  CHECK(keys.due(kNow + minutes(1)).empty());
  CHECK_FALSE(keys.next_due());

  CHECK(*keys.arrived(kUrl, set("a"), kNow));
  CHECK(keys.keys()->at(kUrl) == set("a"));
  CHECK(keys.next_due() == kNow + minutes(20));
  CHECK(keys.due(kNow + minutes(19)).empty());
  CHECK(keys.due(kNow + minutes(20)).size() == 1);
  CHECK_FALSE(*keys.arrived(kUrl, set("a"), kNow + minutes(20)));
}

TEST_CASE("fetched keys: what came last holds while there is nothing better", "[discovery]") {
  FetchedKeys keys;
  keys.want({{kUrl, seconds(5)}}, kNow);
  keys.due(kNow);
  CHECK_FALSE(keys.arrived(kUrl, Error{Errc::Unavailable, "GET https://i/keys: nobody"}, kNow));
  CHECK(keys.problems() ==
        std::vector<std::string>{"keys of tokens: GET https://i/keys: nobody; their tokens are "
                                 "refused until then"});
  CHECK(keys.next_due() == kNow + seconds(1));
  keys.due(kNow + seconds(1));
  CHECK(*keys.arrived(kUrl, set("a"), kNow));
  CHECK(keys.problems().empty());
  // A page of an error, no key at all, nobody there: each waits longer, up to a minute.
  Instant now = kNow + minutes(20);
  for (const int wait : {1, 2, 4, 8, 16, 32, 60, 60}) {
    REQUIRE(keys.due(now).size() == 1);
    CHECK_FALSE(keys.arrived(kUrl, std::string(wait == 2 ? "{\"keys\": []}" : "<html>"), now));
    CHECK(keys.next_due() == now + seconds(wait));
    now += seconds(wait);
  }
  CHECK(keys.keys()->at(kUrl) == set("a"));
  CHECK(keys.problems().at(0).ends_with("; those of before hold"));
}

TEST_CASE("fetched keys: an issuer says where its keys are", "[discovery]") {
  const std::string issuer = "https://i/.well-known/openid-configuration";
  FetchedKeys keys;
  keys.want({{issuer, seconds(5)}}, kNow);
  keys.due(kNow);
  CHECK_FALSE(*keys.arrived(issuer, std::string(R"({"jwks_uri": "https://k/certs"})"), kNow));
  const auto due = keys.due(kNow);
  REQUIRE(due.size() == 1);
  CHECK(due[0].source == issuer);
  CHECK(due[0].url == "https://k/certs");
  CHECK(*keys.arrived(issuer, set("a"), kNow));
  CHECK(keys.keys()->contains(issuer));
  // It may say otherwise next time.
  CHECK(keys.due(kNow + minutes(20)).at(0).url == issuer);
  const auto wrong = keys.arrived(issuer, std::string(R"({"jwks_uri": "file:///k"})"), kNow);
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().text == "GET " + issuer + ": expected an object with a URL \"jwks_uri\"");
}

TEST_CASE("fetched keys: what no policy wants is forgotten, what was saved is back",
          "[discovery]") {
  FetchedKeys keys;
  keys.want({{kUrl, seconds(5)}, {"https://j/keys", seconds(5)}}, kNow);
  keys.due(kNow);
  CHECK(*keys.arrived(kUrl, set("a"), kNow));
  CHECK(*keys.arrived("https://j/keys", set("b"), kNow));
  const std::string saved = keys.save();
  CHECK(keys.want({{kUrl, seconds(5)}}, kNow));
  CHECK(keys.keys()->size() == 1);
  CHECK_FALSE(*keys.arrived("https://j/keys", set("c"), kNow));

  FetchedKeys next;
  CHECK_FALSE(next.restore("\xff"));
  REQUIRE(next.restore(saved));
  CHECK(next.keys()->size() == 2);
  CHECK(next.want({{kUrl, seconds(5)}}, kNow));
  CHECK(next.keys()->at(kUrl) == set("a"));
  CHECK(next.due(kNow).size() == 1);  // they may be old
}
