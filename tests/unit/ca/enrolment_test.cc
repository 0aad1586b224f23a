// Who an asker is. A row is a sentence of certd(8), WHO IS WHO.

#include "ca/enrolment.h"

#include <catch2/catch.hpp>

#include "support/temp_dir.h"

using namespace mesh;
using namespace std::chrono_literals;
using ca::Authority;
using ca::Evidence;
using ca::Ground;
using ca::Policy;
using ca::Tokens;
using identity::Csr;
using identity::Key;
using identity::SpiffeId;

namespace {

const WallTime kNow{std::chrono::seconds(1'800'000'000)};

SpiffeId id(std::string_view account) {
  return *SpiffeId::for_workload("cluster.local", "default", account);
}

struct Certd {
  support::TempDir dir;
  Authority authority;
  Policy policy{"cluster.local"};
  Tokens tokens;
  Random random{1};

  Certd() : authority(open(dir.path())), tokens(dir.file("tokens"), "cluster.local") {}
  static Authority open(const std::string& path) {
    ca::Limits limits;
    limits.leaf_lifetime = 60s;
    limits.grace = 600s;
    return *Authority::open(path, limits, kNow);
  }
  std::string token(const std::string& account) {
    return *ca::make_token(dir.file("tokens"), account, "default", account);
  }
  void sign(const Key& key, std::string_view account, uint32_t uid, Ground ground) {
    REQUIRE(authority.issue(key.public_key(), id(account), {uid, ground, ""}, kNow, random));
  }
  Result<ca::Decision> decide(const Key& key, const Evidence& evidence, WallTime now = kNow) {
    return ca::decide(*Csr::parse(*Csr::create(key)), evidence, authority, policy, tokens, now);
  }
};

}  // namespace

TEST_CASE("enrolment: a token goes before a rule, a rule before a key", "[ca]") {
  Certd certd;
  const Key key = *Key::generate();
  certd.sign(key, "by-key", 7, Ground::Token);
  CHECK(certd.decide(key, {.uid = 7})->id == id("by-key"));
  REQUIRE(certd.policy.add(7, "default", "by-rule"));
  CHECK(certd.decide(key, {.uid = 7})->id == id("by-rule"));
  CHECK(certd.decide(key, {.uid = 7})->ground == Ground::Rule);
  const auto decision = certd.decide(key, {.uid = 7, .token = certd.token("by-token")});
  REQUIRE(decision);
  CHECK(decision->id == id("by-token"));
  CHECK(decision->ground == Ground::Token);
  CHECK(decision->token.has_value());
}

TEST_CASE("enrolment: a used token is no obstacle to who needs none", "[ca]") {
  Certd certd;
  const Key key = *Key::generate();
  const std::string used(64, 'a');
  CHECK_THAT(certd.decide(key, {.uid = 7, .token = used}).error().text,
             Catch::Contains("unknown or was used before"));
  certd.sign(key, "web", 7, Ground::Token);
  CHECK(certd.decide(key, {.uid = 7, .token = used})->id == id("web"));
}

TEST_CASE("enrolment: a key speaks for its own user, within its grace", "[ca]") {
  Certd certd;
  const Key key = *Key::generate();
  certd.sign(key, "web", 7, Ground::Token);
  CHECK(certd.decide(key, {.uid = 7}, kNow + 60s + 599s));
  CHECK(certd.decide(key, {.uid = 7}, kNow + 60s + 601s).error().kind == Errc::Refused);
  CHECK(certd.decide(*Key::generate(), {.uid = 7}).error().kind == Errc::Refused);
  // A recorded request, sent again by another user, even one with a rule.
  REQUIRE(certd.policy.add(8, "default", "other"));
  CHECK(certd.decide(key, {.uid = 8}).error().text == "this key was enrolled by another user");
}

TEST_CASE("enrolment: what a rule gave ends with the rule", "[ca]") {
  Certd certd;
  const Key key = *Key::generate();
  certd.sign(key, "web", 7, Ground::Rule);
  const auto decision = certd.decide(key, {.uid = 7});
  REQUIRE_FALSE(decision);
  CHECK_THAT(decision.error().text, Catch::Contains("no identity for uid 7"));
}

TEST_CASE("enrolment: the former key signs the new one's request", "[ca]") {
  Certd certd;
  const Key former = *Key::generate();
  const Key fresh = *Key::generate();
  certd.sign(former, "web", 7, Ground::Token);
  const std::string der = *Csr::create(fresh);
  const auto ask = [&](Evidence evidence) {
    return ca::decide(*Csr::parse(der), evidence, certd.authority, certd.policy, certd.tokens,
                      kNow);
  };
  const Evidence good{.uid = 7,
                      .token = "",
                      .former_key = former.fingerprint(),
                      .former_signature = *former.sign(der)};
  CHECK(ask(good)->id == id("web"));

  Evidence other_user = good;
  other_user.uid = 8;
  CHECK(ask(other_user).error().kind == Errc::Refused);
  Evidence other_signature = good;
  other_signature.former_signature = *fresh.sign(der);
  CHECK(ask(other_signature).error().kind == Errc::Invalid);
  Evidence other_request = good;
  other_request.former_signature = *former.sign(*Csr::create(fresh) + "x");
  CHECK_FALSE(ask(other_request));
  Evidence unknown = good;
  unknown.former_key = std::string(64, '0');
  CHECK(ask(unknown).error().kind == Errc::Refused);
}
