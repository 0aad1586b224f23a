// The authority's core: what it signs, what it remembers, what a crash leaves.

#include "ca/authority.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "base/file.h"

using namespace mesh;
using namespace std::chrono_literals;
using ca::Authority;
using ca::Ground;
using ca::Holder;
using ca::Limits;
using identity::Key;
using identity::SpiffeId;

namespace fs = std::filesystem;

namespace {

const WallTime kNow{std::chrono::seconds(1'800'000'000)};

struct Directory {
  std::string path;
  Directory() {
    std::string form = (fs::temp_directory_path() / "mesh-ca-XXXXXX").string();
    REQUIRE(::mkdtemp(form.data()) != nullptr);
    path = form;
  }
  ~Directory() { fs::remove_all(path); }
};

SpiffeId web() { return *SpiffeId::for_workload("cluster.local", "default", "web"); }

Holder holder(uint32_t uid = 1000) { return Holder{uid, Ground::Token, "web@host"}; }

}  // namespace

TEST_CASE("authority: the root is made once and stays", "[ca]") {
  const Directory dir;
  auto first = Authority::open(dir.path, {}, kNow);
  REQUIRE(first);
  struct stat status {};
  REQUIRE(::stat((dir.path + "/root.key").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0600);
  CHECK(first->issuer()->is_ca());
  const auto second = Authority::open(dir.path, {}, kNow + 1h);
  REQUIRE(second);
  CHECK(second->issuer()->fingerprint() == first->issuer()->fingerprint());
}

TEST_CASE("authority: a crash between key and certificate is gone on from", "[ca]") {
  const Directory dir;
  const std::string key = Authority::open(dir.path, {}, kNow)->issuer()->key_fingerprint();
  fs::remove(dir.path + "/root.crt");
  const auto again = Authority::open(dir.path, {}, kNow);
  REQUIRE(again);
  CHECK(again->issuer()->key_fingerprint() == key);
}

TEST_CASE("authority: what is wrong on disk is said, not repaired", "[ca]") {
  const Directory dir;
  REQUIRE(Authority::open(dir.path, {}, kNow));
  SECTION("another trust domain") {
    Limits limits;
    limits.trust_domain = "example.org";
    const auto opened = Authority::open(dir.path, limits, kNow);
    REQUIRE_FALSE(opened);
    CHECK_THAT(opened.error().text,
               Catch::Contains("spiffe://cluster.local") && Catch::Contains("example.org"));
  }
  SECTION("a key that others may read") {
    REQUIRE(::chmod((dir.path + "/root.key").c_str(), 0644) == 0);
    CHECK(Authority::open(dir.path, {}, kNow).error().kind == Errc::Refused);
  }
  SECTION("another key") {
    REQUIRE(Key::generate()->save(dir.path + "/root.key"));
    CHECK_FALSE(Authority::open(dir.path, {}, kNow));
  }
  SECTION("a root that ended") {
    CHECK_FALSE(Authority::open(dir.path, {}, kNow + std::chrono::hours(24 * 366 * 11)));
  }
  SECTION("garbage for a root") {
    REQUIRE(file::write(dir.path + "/root.crt", "garbage", 0644));
    CHECK_FALSE(Authority::open(dir.path, {}, kNow));
  }
  SECTION("a ledger of another version") {
    REQUIRE(file::write(dir.path + "/ledger", "mesh-ledger 2\n", 0600));
    const auto opened = Authority::open(dir.path, {}, kNow);
    REQUIRE_FALSE(opened);
    CHECK_THAT(opened.error().text, Catch::Contains("/ledger:1: "));
  }
}

TEST_CASE("authority: of a damaged ledger the whole lines are kept, and the file aside", "[ca]") {
  const Directory dir;
  Random random(1);
  const Key key = *Key::generate(), other = *Key::generate();
  {
    auto authority = Authority::open(dir.path, {}, kNow);
    REQUIRE(authority);
    REQUIRE(authority->issue(key.public_key(), web(), holder(), kNow, random));
  }
  const std::string path = dir.path + "/ledger";
  const std::string whole = *file::read(path, 1 << 20);
  const std::string line = whole.substr(whole.find('\n') + 1);
  std::string damaged;
  bool kept = true;
  SECTION("a line that is none before it") {
    damaged = "mesh-ledger 1\n1000 token 5 zz x\n" + line;
  }
  SECTION("a line cut off behind it") { damaged = whole + line.substr(0, line.size() / 2); }
  SECTION("a heading that is none") { damaged = "mesh-l\n" + line; }
  SECTION("another line as its heading") { damaged = line + line; }
  SECTION("rot") {
    damaged = "rot\n";
    kept = false;
  }
  SECTION("nothing at all") {
    damaged = "";
    kept = false;
  }
  SECTION("a flipped byte of the certificate") {
    damaged = whole;
    damaged[damaged.size() / 2] = 'x';
    kept = false;
  }
  REQUIRE(file::write(path, damaged, 0600));
  auto authority = Authority::open(dir.path, {}, kNow);
  REQUIRE(authority);
  CHECK((authority->find(key.fingerprint(), kNow) != nullptr) == kept);
  CHECK(*file::read(path + ".damaged", 1 << 20) == damaged);
  // What is signed from then on makes the ledger whole again.
  REQUIRE(authority->issue(other.public_key(), web(), holder(), kNow, random));
  REQUIRE(file::remove(path + ".damaged"));
  const auto later = Authority::open(dir.path, {}, kNow);
  REQUIRE(later);
  CHECK((later->find(key.fingerprint(), kNow) != nullptr) == kept);
  CHECK(later->find(other.fingerprint(), kNow) != nullptr);
  CHECK_FALSE(file::read(path + ".damaged", 1 << 20));
}

TEST_CASE("authority: a leaf is remembered over a restart", "[ca]") {
  const Directory dir;
  Random random(1);
  Limits limits;
  limits.leaf_lifetime = 1h;
  const Key key = *Key::generate();
  auto authority = Authority::open(dir.path, limits, kNow);
  const auto leaf = authority->issue(key.public_key(), web(), holder(), kNow, random);
  REQUIRE(leaf);
  CHECK(leaf->certificate.not_after() == kNow + 1h);
  CHECK(leaf->certificate.not_before() <= kNow);
  const auto chain = authority->chain(*leaf);
  CHECK(authority->bundle()->verify(chain, kNow)->uri() == web().uri());

  const auto later = Authority::open(dir.path, limits, kNow + 1min);
  REQUIRE(later);
  const ca::Leaf* found = later->find(key.fingerprint(), kNow + 1min);
  REQUIRE(found != nullptr);
  CHECK(found->certificate.serial() == leaf->certificate.serial());
  CHECK(found->id == web());
  CHECK(found->holder.uid == 1000);
  CHECK(found->holder.ground == Ground::Token);
  CHECK(found->holder.name == "web@host");
  CHECK(std::chrono::abs(found->renew_at - leaf->renew_at) < 1ms);
}

TEST_CASE("authority: a key has one leaf, and a grace behind its end", "[ca]") {
  const Directory dir;
  Random random(1);
  Limits limits;
  limits.leaf_lifetime = 6s;
  limits.grace = 60s;
  const Key key = *Key::generate();
  auto authority = Authority::open(dir.path, limits, kNow);
  const auto first = authority->issue(key.public_key(), web(), holder(), kNow, random);
  const auto second = authority->issue(key.public_key(), web(), holder(), kNow + 3s, random);
  REQUIRE(second);
  CHECK(authority->ledger().leaves().size() == 1);
  CHECK(second->certificate.serial() != first->certificate.serial());
  CHECK(authority->find(key.fingerprint(), kNow + 3s + 6s + 60s) != nullptr);
  CHECK(authority->find(key.fingerprint(), kNow + 3s + 6s + 61s) == nullptr);
  CHECK(authority->find("00", kNow) == nullptr);

  // The next issue forgets what is over.
  const Key other = *Key::generate();
  REQUIRE(authority->issue(other.public_key(), web(), holder(), kNow + 1h, random));
  CHECK(authority->ledger().leaves().size() == 1);
}

TEST_CASE("authority: the ledger has a bound, and a full one changes nothing", "[ca]") {
  const Directory dir;
  Random random(1);
  Limits limits;
  limits.leaves_max = 2;
  auto authority = Authority::open(dir.path, limits, kNow);
  const Key keys[] = {*Key::generate(), *Key::generate(), *Key::generate()};
  REQUIRE(authority->issue(keys[0].public_key(), web(), holder(), kNow, random));
  REQUIRE(authority->issue(keys[1].public_key(), web(), holder(), kNow, random));
  CHECK(authority->issue(keys[2].public_key(), web(), holder(), kNow, random).error().kind ==
        Errc::TooBig);
  CHECK(authority->ledger().leaves().size() == 2);
  CHECK(authority->issue(keys[0].public_key(), web(), holder(), kNow, random));
}

TEST_CASE("authority: a leaf that cannot be written down is not handed out", "[ca]") {
  const Directory dir;
  Random random(1);
  auto authority = Authority::open(dir.path, {}, kNow);
  fs::create_directory(dir.path + "/ledger");  // nothing can be renamed over it
  const Key key = *Key::generate();
  CHECK_FALSE(authority->issue(key.public_key(), web(), holder(), kNow, random));
  CHECK(authority->find(key.fingerprint(), kNow) == nullptr);
}

TEST_CASE("authority: it signs for its own trust domain only", "[ca]") {
  const Directory dir;
  Random random(1);
  auto authority = Authority::open(dir.path, {}, kNow);
  const auto leaf =
      authority->issue(Key::generate()->public_key(), *SpiffeId::for_workload("other", "a", "b"),
                       holder(), kNow, random);
  CHECK(leaf.error().kind == Errc::Refused);
  Limits limits;
  limits.trust_domain = "other";
  CHECK_FALSE(authority->set_limits(limits));
}

TEST_CASE("authority: renewal comes at half of the life, a tenth around it", "[ca]") {
  Random random(7);
  WallTime least = WallTime::max(), most = WallTime::min();
  for (int i = 0; i < 1000; ++i) {
    const WallTime at = ca::renewal_time(kNow, kNow + 100s, random);
    least = std::min(least, at);
    most = std::max(most, at);
  }
  CHECK(least >= kNow + 40s);
  CHECK(least < kNow + 42s);
  CHECK(most <= kNow + 60s);
  CHECK(most > kNow + 58s);
}

TEST_CASE("ledger: names go into a file and a table", "[ca]") {
  CHECK(ca::printable_name("web@host") == "web@host");
  CHECK(ca::printable_name("a\nb c\x01\xff") == "a_b_c__");
  CHECK(ca::printable_name(std::string(500, 'x')).size() == 128);
}

TEST_CASE("authority: an issuer waits for its certificate, and signs below the root", "[ca]") {
  const Directory root_dir;
  const Directory dir;
  Random random(1);
  Limits limits;
  limits.intermediate = true;
  const auto root = Authority::open(root_dir.path, {}, kNow);
  auto host = Authority::open(dir.path, limits, kNow);
  REQUIRE(root);
  REQUIRE(host);
  CHECK(host->issuer() == nullptr);
  CHECK_FALSE(host->bundle());
  CHECK_FALSE(root->request());
  const Key key = *Key::generate();
  CHECK(host->issue(key.public_key(), web(), holder(), kNow, random).error().kind ==
        Errc::Unavailable);

  const auto csr = identity::Csr::parse(*host->request());
  REQUIRE(csr);
  const auto chain = root->sign_issuer(csr->key(), {"default"}, 720h, kNow);
  REQUIRE(chain);
  const auto roots = root->bundle()->roots();
  SECTION("it takes what is for it, and over a restart") {
    REQUIRE(host->install(*chain, roots, kNow));
    auto again = Authority::open(dir.path, limits, kNow);
    REQUIRE(again);
    const auto leaf = again->issue(key.public_key(), web(), holder(), kNow, random);
    REQUIRE(leaf);
    CHECK(again->is_ours(*leaf));
    CHECK(again->chain(*leaf).size() == 2);
    CHECK(root->bundle()->verify(again->chain(*leaf), kNow)->uri() == web().uri());
    // Out of its bounds.
    CHECK(again
              ->issue(key.public_key(), *SpiffeId::for_workload("cluster.local", "shop", "web"),
                      holder(), kNow, random)
              .error()
              .kind == Errc::Refused);
    // It signs no issuer.
    CHECK(again->sign_issuer(key.public_key(), {}, 1h, kNow).error().kind == Errc::Refused);
    // One that has ended is no obstacle to starting, and to the next.
    const auto later = Authority::open(dir.path, limits, kNow + 800h);
    REQUIRE(later);
    CHECK(later->issuer() != nullptr);
  }
  SECTION("it refuses what is not") {
    const Directory other_dir;
    const auto other = Authority::open(other_dir.path, {}, kNow);
    CHECK_FALSE(host->install(*chain, other->bundle()->roots(), kNow));
    CHECK_FALSE(host->install(*root->sign_issuer(key.public_key(), {}, 1h, kNow), roots, kNow));
    CHECK_FALSE(host->install({}, roots, kNow));
    CHECK_FALSE(host->install(*chain, {}, kNow));
    CHECK_FALSE(host->install(*chain, roots, kNow + 800h));
    CHECK(host->issuer() == nullptr);
  }
  SECTION("a root and an issuer do not share a directory") {
    CHECK_FALSE(Authority::open(dir.path, {}, kNow));
    CHECK_FALSE(Authority::open(root_dir.path, limits, kNow));
  }
}
