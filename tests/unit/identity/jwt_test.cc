// Which tokens are read, and which signatures hold.
#include "identity/jwt.h"

#include <catch2/catch.hpp>

#include "base/base64_url.h"
#include "support/tokens.h"

using namespace mesh;
using namespace mesh::identity;
using support::SigningKey;

namespace {

Jwks keys_of(const std::string& text) {
  auto keys = Jwks::parse(text);
  if (!keys) FAIL(keys.error().text);
  return *std::move(keys);
}

JwtStatus checked(const std::string& token, const Jwks& keys) {
  Jwt jwt;
  const JwtStatus status = Jwt::read(token, jwt);
  return status == JwtStatus::Ok ? jwt.verify(keys) : status;
}

std::string unsigned_token(std::string_view header, std::string_view payload) {
  return base64::encode_url(header) + "." + base64::encode_url(payload) + ".c2ln";
}

JwtStatus read(const std::string& header, const std::string& payload) {
  Jwt jwt;
  return Jwt::read(unsigned_token(header, payload), jwt);
}

constexpr const char* kHeader = R"({"alg":"ES256"})";

}  // namespace

TEST_CASE("jwt: every algorithm, and a token that was changed", "[identity]") {
  for (const char* algorithm :
       {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
    DYNAMIC_SECTION(algorithm) {
      const SigningKey key(algorithm);
      const SigningKey other(algorithm);
      const Jwks keys = keys_of(key.jwks());
      const std::string token = key.token(R"({"iss":"i","sub":"s"})");
      CHECK(checked(token, keys) == JwtStatus::Ok);
      CHECK(checked(other.token(R"({"iss":"i","sub":"s"})"), keys) == JwtStatus::WrongSignature);
      const size_t signature = token.rfind('.');
      std::string changed = token;
      changed[signature + 5] = changed[signature + 5] == 'A' ? 'B' : 'A';
      CHECK(checked(changed, keys) == JwtStatus::WrongSignature);
      const std::string payload = base64::encode_url(R"({"iss":"i","sub":"x"})");
      const std::string swapped =
          token.substr(0, token.find('.') + 1) + payload + token.substr(signature);
      CHECK(checked(swapped, keys) == JwtStatus::WrongSignature);
    }
}

TEST_CASE("jwt: a key is for its algorithm and its id alone", "[identity]") {
  const SigningKey rsa("RS256", "a");
  const Jwks keys = keys_of(rsa.jwks());
  CHECK(checked(rsa.signed_text(R"({"alg":"RS384","kid":"a"})", "{}"), keys) ==
        JwtStatus::NoSuchKey);
  CHECK(checked(rsa.signed_text(R"({"alg":"RS256","kid":"b"})", "{}"), keys) ==
        JwtStatus::NoSuchKey);
  CHECK(checked(rsa.signed_text(R"({"alg":"RS256"})", "{}"), keys) == JwtStatus::Ok);
  // The public key as a secret, and no signature at all.
  CHECK(checked(rsa.signed_text(R"({"alg":"HS256","kid":"a"})", "{}"), keys) ==
        JwtStatus::HeaderUnknownAlg);
  CHECK(checked(unsigned_token(R"({"alg":"none"})", "{}"), keys) == JwtStatus::HeaderUnknownAlg);
  CHECK(checked(unsigned_token(R"({"alg":"NONE"})", "{}"), keys) == JwtStatus::HeaderUnknownAlg);
  CHECK(checked(rsa.signed_text(R"({"alg":"RS256","crit":["x"]})", "{}"), keys) ==
        JwtStatus::HeaderBadJson);
  // An EC signature of nothing: r = s = 0.
  const SigningKey ec("ES256");
  const std::string text = base64::encode_url(kHeader) + "." + base64::encode_url("{}");
  CHECK(checked(text + "." + base64::encode_url(std::string(64, '\0')), keys_of(ec.jwks())) ==
        JwtStatus::WrongSignature);
  CHECK(checked(text + ".AAAA", keys_of(ec.jwks())) == JwtStatus::WrongSignature);
}

TEST_CASE("jwt: the form", "[identity]") {
  struct Row {
    const char* because;
    std::string token;
    JwtStatus want;
  };
  const std::string header = base64::encode_url(kHeader);
  const std::string payload = base64::encode_url("{}");
  const Row rows[] = {
      {"nothing", "", JwtStatus::BadFormat},
      {"two parts", "a.b", JwtStatus::BadFormat},
      {"four parts", "a.b.c.d", JwtStatus::BadFormat},
      {"no signature", header + "." + payload + ".", JwtStatus::BadFormat},
      {"an empty payload", header + "..c", JwtStatus::BadFormat},
      {"very long", std::string(20'000, 'a') + ".b.c", JwtStatus::BadFormat},
      {"a header that is no base64url", "a+a." + payload + ".c2ln", JwtStatus::HeaderBadBase64},
      {"a header with padding", "YQ==." + payload + ".c2ln", JwtStatus::HeaderBadBase64},
      {"a header that is no JSON", "YWE." + payload + ".c2ln", JwtStatus::HeaderBadJson},
      {"a payload that is no base64url", header + ".*.c2ln", JwtStatus::PayloadBadBase64},
      {"a payload that is a list", header + "." + base64::encode_url("[]") + ".c2ln",
       JwtStatus::PayloadBadJson},
      {"a signature that is none", header + "." + payload + ".c", JwtStatus::SignatureBadBase64},
  };
  for (const Row& row : rows) DYNAMIC_SECTION(row.because) {
      Jwt jwt;
      CHECK(Jwt::read(row.token, jwt) == row.want);
    }
}

TEST_CASE("jwt: what header and payload say", "[identity]") {
  CHECK(read("{}", "{}") == JwtStatus::HeaderBadAlg);
  CHECK(read(R"({"alg":1})", "{}") == JwtStatus::HeaderBadAlg);
  CHECK(read(R"({"alg":"ES256","kid":1})", "{}") == JwtStatus::HeaderBadKid);
  CHECK(read(kHeader, R"({"iss":1})") == JwtStatus::PayloadBadIss);
  CHECK(read(kHeader, R"({"sub":1})") == JwtStatus::PayloadBadSub);
  CHECK(read(kHeader, R"({"exp":"1"})") == JwtStatus::PayloadBadExp);
  CHECK(read(kHeader, R"({"exp":-1})") == JwtStatus::PayloadBadExp);
  CHECK(read(kHeader, R"({"nbf":true})") == JwtStatus::PayloadBadNbf);
  CHECK(read(kHeader, R"({"iat":[]})") == JwtStatus::PayloadBadIat);
  CHECK(read(kHeader, R"({"jti":5})") == JwtStatus::PayloadBadJti);
  CHECK(read(kHeader, R"({"aud":{"a":1}})") == JwtStatus::PayloadBadAud);
  CHECK(read(kHeader, R"({"aud":["a",1]})") == JwtStatus::PayloadBadAud);
  CHECK(read(kHeader, R"({"a":1,"a":2})") == JwtStatus::PayloadBadJson);
  Jwt jwt;
  REQUIRE(Jwt::read(unsigned_token(kHeader, R"({"iss":"i","sub":"s","aud":["a","b"],"exp":5.5})"),
                    jwt) == JwtStatus::Ok);
  CHECK(jwt.issuer == "i");
  CHECK(jwt.subject == "s");
  CHECK(jwt.audiences == std::vector<std::string>{"a", "b"});
  CHECK(jwt.expires_at == 5);
  CHECK(jwt.issued_at == std::nullopt);
}

TEST_CASE("jwt: clocks may differ by a minute", "[identity]") {
  Jwt jwt;
  jwt.not_before = 1000;
  jwt.expires_at = 2000;
  const auto at = [&](int64_t seconds) {
    return jwt.check_time(WallTime(std::chrono::seconds(seconds)));
  };
  CHECK(at(939) == JwtStatus::NotYetValid);
  CHECK(at(940) == JwtStatus::Ok);
  CHECK(at(2060) == JwtStatus::Ok);
  CHECK(at(2061) == JwtStatus::Expired);
  jwt.not_before = jwt.expires_at = std::nullopt;
  CHECK(at(0) == JwtStatus::Ok);
}

TEST_CASE("jwks: which keys are taken", "[identity]") {
  const SigningKey good("ES256");
  const auto error = [](const std::string& text) {
    const auto keys = Jwks::parse(text);
    REQUIRE_FALSE(keys);
    return keys.error().text;
  };
  CHECK(error("{}") == "expected an object with a list \"keys\"");
  CHECK(error(R"({"keys":[]})") == "no key that signatures can be verified with");
  CHECK(error(R"({"keys":[{"kty":"oct","k":"c2VjcmV0"}]})") ==
        "no key that signatures can be verified with");
  CHECK(error(R"({"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]})") ==
        "no key that signatures can be verified with");
  CHECK(error(R"({"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]})") ==
        "keys[0]: x, y: expected 32 bytes each");
  const std::string zeroes = base64::encode_url(std::string(32, '\0'));
  CHECK_FALSE(Jwks::parse(R"({"keys":[{"kty":"EC","crv":"P-256","x":")" + zeroes + R"(","y":")" +
                          zeroes + R"("}]})"));
  CHECK(error(R"({"keys":[1]})") == "keys[0]: expected an object");
  // One that is for something else does no harm.
  const auto keys =
      Jwks::parse(R"({"keys":[{"kty":"oct","k":"YQ"},{"kty":"X"},)" + good.jwk() + "]}");
  REQUIRE(keys);
  CHECK(keys->keys().size() == 1);
}
