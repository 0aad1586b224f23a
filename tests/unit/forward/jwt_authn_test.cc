// Which requests pass with which tokens, and what is made of them.
#include "forward/filter/jwt_authn.h"

#include <catch2/catch.hpp>

#include "support/tokens.h"

using namespace mesh;
using namespace mesh::forward;
using support::SigningKey;
using Kind = xds::JwtRequirement::Kind;

namespace {

xds::JwtRequirement of(uint32_t provider) {
  xds::JwtRequirement r;
  r.provider = provider;
  return r;
}

xds::JwtRequirement any(std::vector<xds::JwtRequirement> parts) {
  xds::JwtRequirement r;
  r.kind = Kind::Any;
  r.parts = std::move(parts);
  return r;
}

xds::JwtRequirement missing(std::vector<uint32_t> beside, Kind kind = Kind::AllowMissing) {
  xds::JwtRequirement r;
  r.kind = kind;
  r.beside = std::move(beside);
  return r;
}

struct Bench {
  xds::JwtAuthn config;
  std::shared_ptr<const filter::Filter> filter;
  std::shared_ptr<filter::JwtCounts> counts = std::make_shared<filter::JwtCounts>();
  http::RequestHead head;
  route::Route route;
  Random random{3};
  Scratch scratch;
  http::Fields answer;
  std::vector<route::TokenClaims> claims;
  WallTime now{std::chrono::seconds(1000)};

  Bench() {
    head.method = "GET";
    head.scheme = "http";
    head.authority = "a.example";
    head.path = "/p?x=1";
  }

  xds::JwtProvider& provider(const std::string& issuer, const SigningKey& key) {
    xds::JwtProvider& made = config.providers.emplace_back();
    made.name = made.issuer = issuer;
    auto keys = identity::Jwks::parse(key.jwks());
    REQUIRE(keys);
    made.keys = *keys;
    made.from_headers = {{"authorization", "Bearer "}};
    made.payload_name = "payload";
    return made;
  }
  void require(xds::JwtRequirement requirement) {
    xds::JwtRule rule;
    rule.required = true;
    rule.requirement = std::move(requirement);
    config.rules.push_back(std::move(rule));
  }
  filter::Verdict ask() {
    if (filter == nullptr)
      filter = filter::JwtAuthnFilter::make(std::make_shared<const xds::JwtAuthn>(config), counts);
    REQUIRE(filter != nullptr);
    answer.clear();
    claims.clear();
    filter::Context context{.head = head,
                            .route = route,
                            .random = random,
                            .scratch = scratch,
                            .answer = answer,
                            .wall = now,
                            .claims = &claims};
    filter::Slot slot{};
    return filter->on_request(context, slot);
  }
  // With this token; the body of the refusal, "" where it passes.
  std::string with(const std::string& token) {
    head.fields.clear();
    kept = "Bearer " + token;
    head.fields.add("authorization", kept);
    return std::string(ask().body);
  }
  std::string kept;
};

}  // namespace

TEST_CASE("jwt_authn: no token passes, a bad one does not", "[forward]") {
  const SigningKey key("ES256");
  Bench bench;
  bench.provider("i", key);
  bench.require(any({of(0), missing({0})}));
  CHECK(bench.ask().status == 0);
  CHECK(bench.claims.empty());
  CHECK(bench.with(key.token(R"({"iss":"i","sub":"s","scope":"a b"})")).empty());
  REQUIRE(bench.claims.size() == 1);
  CHECK(bench.claims[0].name == "payload");
  CHECK(bench.claims[0].payload->find("sub")->text == "s");
  CHECK_FALSE(bench.head.fields.get("authorization"));
  CHECK(bench.with("a.b.c") == "Jwt header is an invalid Base64url encoded");
  CHECK(bench.with(key.token(R"({"iss":"o"})")) == "Jwt issuer is not configured");
  CHECK(bench.with(key.token(R"({"iss":"i","exp":900})")) == "Jwt is expired");
  CHECK(bench.with(key.token(R"({"iss":"i","nbf":1100})")) == "Jwt not yet valid");
  CHECK(bench.with(SigningKey("ES256").token(R"({"iss":"i"})")) == "Jwt verification fails");
  const filter::Verdict verdict = bench.ask();
  CHECK(verdict.status == 401);
  CHECK(verdict.details == "jwt_authn_access_denied{Jwt_verification_fails}");
  CHECK(bench.answer.get("www-authenticate") ==
        "Bearer realm=\"http://a.example/p?x=1\", error=\"invalid_token\"");
}

TEST_CASE("jwt_authn: a token that must be there", "[forward]") {
  const SigningKey key("ES256");
  Bench bench;
  bench.provider("i", key).audiences = {"a"};
  bench.require(of(0));
  CHECK(bench.ask().body == "Jwt is missing");
  CHECK(bench.answer.get("www-authenticate") == "Bearer realm=\"http://a.example/p?x=1\"");
  CHECK(bench.with(key.token(R"({"iss":"i","aud":["b","a"]})")).empty());
  CHECK(bench.with(key.token(R"({"iss":"i","aud":"b"})")) == "Audiences in Jwt are not allowed");
  CHECK(bench.ask().status == 403);
}

TEST_CASE("jwt_authn: tokens of several issuers", "[forward]") {
  const SigningKey one("ES256"), two("EdDSA");
  Bench bench;
  bench.provider("1", one);
  bench.provider("2", two);
  xds::JwtRequirement all;
  all.kind = Kind::All;
  all.parts = {any({of(0), missing({0})}), any({of(1), missing({1})})};
  bench.require(any({of(0), of(1), all}));
  CHECK(bench.ask().status == 0);
  CHECK(bench.with(one.token(R"({"iss":"1"})")).empty());
  CHECK(bench.with(two.token(R"({"iss":"2"})")).empty());
  CHECK(bench.with(two.token(R"({"iss":"3"})")) == "Jwt issuer is not configured");
  CHECK(bench.with(two.token(R"({"iss":"1"})")) ==
        "Jwks doesn't have key to match kid or alg from Jwt");
}

TEST_CASE("jwt_authn: where tokens are looked for, and what is left of them", "[forward]") {
  const SigningKey key("ES256");
  const std::string token = key.token(R"({"iss":"i","n":{"m":5},"ok":true,"l":[1],"t":"x"})");
  Bench bench;
  auto& provider = bench.provider("i", key);
  provider.from_headers = {{"x-token", ""}};
  provider.from_params = {"t"};
  provider.from_cookies = {"c"};
  provider.payload_header = "x-payload";
  provider.claim_headers = {{"x-n", {"n", "m"}}, {"x-ok", {"ok"}}, {"x-l", {"l"}}, {"x-t", {"t"}}};
  bench.require(of(0));
  SECTION("a parameter") {
    const std::string path = "/p?a=1&t=" + token + "&b=2";
    bench.head.path = path;
    CHECK(bench.ask().status == 0);
    CHECK(bench.head.path == "/p?a=1&b=2");
  }
  SECTION("a cookie stays") {
    const std::string cookie = "a=b; c=" + token;
    bench.head.fields.add("cookie", cookie);
    CHECK(bench.ask().status == 0);
    CHECK(bench.head.fields.get("cookie") == cookie);
  }
  SECTION("a header; what it says is told, and nobody else's word for it") {
    bench.head.fields.add("x-l", "forged");
    bench.head.fields.add("x-t", "forged");
    bench.head.fields.add("x-payload", "forged");
    bench.head.fields.add("x-token", token);
    CHECK(bench.ask().status == 0);
    CHECK_FALSE(bench.head.fields.get("x-token"));
    CHECK_FALSE(bench.head.fields.get("x-l"));
    CHECK(bench.head.fields.get("x-n") == "5");
    CHECK(bench.head.fields.get("x-ok") == "true");
    CHECK(bench.head.fields.get("x-t") == "x");
    const size_t dot = token.find('.');
    CHECK(bench.head.fields.get("x-payload") == token.substr(dot + 1, token.rfind('.') - dot - 1));
  }
  SECTION("forged headers are gone also where the request is refused or nothing is asked") {
    bench.head.fields.add("x-payload", "forged");
    CHECK(bench.ask().status == 401);
    CHECK_FALSE(bench.head.fields.get("x-payload"));
  }
}

TEST_CASE("jwt_authn: a token is verified once, and its time looked at each time", "[forward]") {
  const SigningKey key("ES256");
  Bench bench;
  bench.config.cache_size = 2;
  bench.provider("i", key);
  bench.require(of(0));
  const std::string token = key.token(R"({"iss":"i","exp":2000})");
  CHECK(bench.with(token).empty());
  CHECK(bench.with(token).empty());
  CHECK(bench.counts->counts.sum(filter::JwtCounts::CacheHit) == 1);
  CHECK(bench.counts->counts.sum(filter::JwtCounts::CacheMiss) == 1);
  bench.now = WallTime(std::chrono::seconds(2061));
  CHECK(bench.with(token) == "Jwt is expired");
  bench.now = WallTime(std::chrono::seconds(1000));
  CHECK(bench.with(key.token(R"({"iss":"i","a":1})")).empty());
  CHECK(bench.with(key.token(R"({"iss":"i","a":2})")).empty());
  CHECK(bench.with(token).empty());
  CHECK(bench.counts->counts.sum(filter::JwtCounts::CacheMiss) == 4);
}

TEST_CASE("jwt_authn: preflights pass where they may; failed tokens where they may", "[forward]") {
  const SigningKey key("ES256");
  Bench bench;
  bench.config.bypass_cors_preflight = true;
  bench.provider("i", key);
  SECTION("preflight") {
    bench.require(of(0));
    bench.head.method = "OPTIONS";
    CHECK(bench.ask().status == 401);
    bench.head.fields.add("origin", "x");
    bench.head.fields.add("access-control-request-method", "GET");
    CHECK(bench.ask().status == 0);
  }
  SECTION("allow_missing_or_failed") {
    bench.require(missing({0}, Kind::AllowMissingOrFailed));
    CHECK(bench.with("a.b.c").empty());
    CHECK(bench.claims.empty());
    CHECK(bench.with(key.token(R"({"iss":"i"})")).empty());
    CHECK(bench.claims.size() == 1);
  }
}
