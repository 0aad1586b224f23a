// Who gets which identity: by UID, or by a token that works once.

#include "ca/policy.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "base/file.h"
#include "ca/tokens.h"

using namespace mesh;
using ca::Policy;
using ca::Tokens;

namespace fs = std::filesystem;

namespace {

struct Directory {
  std::string path;
  Directory() {
    std::string form = (fs::temp_directory_path() / "mesh-tokens-XXXXXX").string();
    REQUIRE(::mkdtemp(form.data()) != nullptr);
    path = form;
  }
  ~Directory() { fs::remove_all(path); }
};

const std::string kSecret = "0123456789abcdef0123456789abcdef";

}  // namespace

TEST_CASE("policy: a uid has the identity of its rule", "[ca]") {
  Policy policy("td");
  REQUIRE(policy.add(1000, "default", "web"));
  CHECK(policy.identify(1000)->uri() == "spiffe://td/ns/default/sa/web");
  const auto none = policy.identify(1001);
  REQUIRE_FALSE(none);
  CHECK(none.error().kind == Errc::Refused);
  CHECK_THAT(none.error().text,
             Catch::Contains("no identity for uid 1001") && Catch::Contains("identities:"));
  CHECK_FALSE(policy.add(1000, "default", "other"));
  CHECK_FALSE(policy.add(1002, "a/b", "other"));
  CHECK_FALSE(policy.add(1002, "default", ""));
}

TEST_CASE("tokens: each works once", "[ca]") {
  const Directory dir;
  const auto secret =
      ca::make_token(dir.path + "/tokens", "reviews", "default", "bookinfo-reviews");
  REQUIRE(secret);
  const Tokens tokens(dir.path + "/tokens", "td");
  const auto grant = tokens.find(*secret);
  REQUIRE(grant);
  CHECK(grant->id.uri() == "spiffe://td/ns/default/sa/bookinfo-reviews");
  REQUIRE(tokens.remove(*grant));
  CHECK(tokens.find(*secret).error().kind == Errc::Refused);
  CHECK_FALSE(tokens.remove(*grant));
}

TEST_CASE("tokens: the file holds no secret that could be used", "[ca]") {
  const Directory dir;
  const auto secret = ca::make_token(dir.path, "a", "default", "web");
  REQUIRE(secret);
  CHECK_THAT(*file::read_secret(dir.path + "/a", 1000), !Catch::Contains(*secret));
  CHECK_FALSE(ca::make_token(dir.path, "../a", "default", "web"));
  CHECK_FALSE(ca::make_token(dir.path, "a", "default", "we/b"));
}

TEST_CASE("tokens: what a file may say", "[ca]") {
  struct Row {
    const char* because;
    std::string bytes;
    unsigned mode;
    bool good;
  };
  const Row rows[] = {
      {"a plain token", "default/web " + kSecret + "\n", 0600, true},
      {"without a newline", "default/web " + kSecret, 0600, true},
      {"others may read it", "default/web " + kSecret + "\n", 0640, false},
      {"two lines", "default/web " + kSecret + "\ndefault/x " + kSecret + "\n", 0600, false},
      {"no account", "default " + kSecret + "\n", 0600, false},
      {"a path for a namespace", "a/b/c " + kSecret + "\n", 0600, false},
      {"nothing", "", 0600, false},
      {"too long", std::string(2000, 'x'), 0600, false},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      const Directory dir;
      REQUIRE(file::write(dir.path + "/token", row.bytes, row.mode));
      CHECK(Tokens(dir.path, "td").find(kSecret).has_value() == row.good);
    }
  }
}

TEST_CASE("tokens: guesses are refused", "[ca]") {
  const Directory dir;
  REQUIRE(ca::make_token(dir.path, "a", "default", "web"));
  const Tokens tokens(dir.path, "td");
  for (const std::string& guess :
       {std::string(), std::string("x"), kSecret, std::string(64, '0'), std::string(5000, 'a'),
        std::string("sha256:") + std::string(64, '0')})
    CHECK(tokens.find(guess).error().kind == Errc::Refused);
  CHECK(Tokens(dir.path + "/none", "td").find(kSecret).error().kind == Errc::Refused);
}
