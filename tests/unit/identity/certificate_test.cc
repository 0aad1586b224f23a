// Issuing, reading and judging certificates.

#include "identity/certificate.h"

#include <catch2/catch.hpp>

#include "identity/csr.h"
#include "identity/svid.h"
#include "identity/trust_bundle.h"

using namespace mesh;
using namespace std::chrono_literals;
using identity::Certificate;
using identity::Key;
using identity::SpiffeId;
using identity::Svid;
using identity::TrustBundle;
using identity::Validity;

namespace {

const WallTime kNow{std::chrono::seconds(1'800'000'000)};

struct Ca {
  Key key = *Key::generate();
  Certificate root;
  explicit Ca(std::string_view domain = "td", Duration life = 24h)
      : root(*issue_root(
            key, *SpiffeId::for_trust_domain(domain),
            Validity{kNow - 1h, kNow + std::chrono::duration_cast<WallTime::duration>(life)})) {}
  Result<Certificate> leaf(const Key& subject, std::string_view account = "web",
                           Validity validity = {kNow - 1min, kNow + 1h}) const {
    return issue_leaf(root, key, subject.public_key(),
                      *SpiffeId::for_workload(root.spiffe_id()->trust_domain(), "default", account),
                      validity);
  }
  TrustBundle bundle() const {
    return *TrustBundle::make(std::string(root.spiffe_id()->trust_domain()), {root});
  }
};

}  // namespace

TEST_CASE("certificate: a leaf is an X.509-SVID", "[identity]") {
  const Ca ca;
  const Key key = *Key::generate();
  const auto leaf = ca.leaf(key);
  REQUIRE(leaf);
  CHECK(leaf->spiffe_id()->uri() == "spiffe://td/ns/default/sa/web");
  CHECK(leaf->uri_sans().size() == 1);
  CHECK(leaf->dns_sans().empty());
  CHECK_FALSE(leaf->is_ca());
  CHECK(leaf->not_after() == kNow + 1h);
  CHECK(leaf->not_before() == kNow - 1min);
  CHECK(leaf->remaining(kNow) == 1h);
  CHECK(leaf->key_fingerprint() == key.fingerprint());
  CHECK(leaf->serial().size() >= 31);
  CHECK(leaf->serial() != ca.leaf(key)->serial());
  CHECK(ca.root.is_ca());
  CHECK(ca.root.spiffe_id()->uri() == "spiffe://td");
}

TEST_CASE("certificate: DER and PEM give the same certificate back", "[identity]") {
  const Ca ca;
  const auto leaf = ca.leaf(*Key::generate());
  CHECK(Certificate::from_der(leaf->der())->fingerprint() == leaf->fingerprint());
  CHECK(Certificate::from_pem(leaf->pem())->fingerprint() == leaf->fingerprint());
  const auto both = identity::certificates_from_pem(leaf->pem() + ca.root.pem());
  REQUIRE(both);
  REQUIRE(both->size() == 2);
  CHECK(both->back().fingerprint() == ca.root.fingerprint());
}

TEST_CASE("certificate: hostile encodings are refused, none aborts", "[identity]") {
  const Ca ca;
  const auto leaf = ca.leaf(*Key::generate());
  CHECK_FALSE(Certificate::from_der(leaf->der() + '\0'));
  CHECK_FALSE(Certificate::from_der(""));
  CHECK_FALSE(Certificate::from_pem(leaf->pem() + leaf->pem()));
  CHECK_FALSE(
      Certificate::from_pem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
  CHECK_FALSE(identity::certificates_from_pem(ca.key.pem()));
  CHECK_FALSE(identity::certificates_from_pem(leaf->pem() + "-----BEGIN CERTIFICATE-----\nMII"));
  CHECK(Certificate::from_der(std::string(Certificate::kBytesMax + 1, '0')).error().kind ==
        Errc::TooBig);
  const TrustBundle bundle = ca.bundle();
  for (size_t at = 0; at < leaf->der().size(); ++at) {
    CHECK_FALSE(Certificate::from_der(leaf->der().substr(0, at)));
    std::string damaged = leaf->der();
    damaged[at] = char(damaged[at] ^ 0x04);
    // What can still be read is not what the issuer signed.
    if (const auto read = Certificate::from_der(damaged); read)
      CHECK_FALSE(bundle.verify({&*read, 1}, kNow));
  }
}

TEST_CASE("certificate: an issuer signs for its own domain and its own time", "[identity]") {
  const Ca ca("td", 30min);
  const Key key = *Key::generate();
  const auto leaf = ca.leaf(key);
  REQUIRE(leaf);
  CHECK(leaf->not_after() == ca.root.not_after());
  CHECK(ca.leaf(key, "web", {kNow + 1h, kNow + 2h}).error().kind == Errc::Refused);
  const auto foreign =
      issue_leaf(ca.root, ca.key, key.public_key(),
                 *SpiffeId::for_workload("other", "default", "web"), {kNow, kNow + 1min});
  CHECK(foreign.error().kind == Errc::Refused);
  CHECK_FALSE(issue_leaf(ca.root, ca.key, key.public_key(), *SpiffeId::for_trust_domain("td"),
                         {kNow, kNow + 1min}));
  CHECK_FALSE(issue_root(ca.key, *SpiffeId::parse("spiffe://td/x"), {kNow, kNow + 1h}));
}

TEST_CASE("trust bundle: the judgement on a chain", "[identity]") {
  const Ca ca;
  const Ca other;  // the same name, another key
  const Ca foreign("td2");
  const Key key = *Key::generate();
  struct Row {
    const char* because;
    Certificate leaf;
    WallTime at;
    std::string_view want;  // empty: good
  };
  const Row rows[] = {
      {"in time, by our root", *ca.leaf(key), kNow, ""},
      {"three minutes late", *ca.leaf(key), kNow + 1h + 3min, "expired 3m0s ago"},
      {"too early", *ca.leaf(key), kNow - 5min, "is not valid for another 4m"},
      {"by a CA of the same name", *other.leaf(key), kNow, "signed by another CA"},
      {"by another domain's CA", *foreign.leaf(key), kNow, "signed by another CA"},
      {"a root as a leaf", ca.root, kNow, "issuing certificate"},
      {"a root of others", foreign.root, kNow, "signed by itself"},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      const auto id = ca.bundle().verify({&row.leaf, 1}, row.at);
      REQUIRE(id.has_value() == row.want.empty());
      if (id) {
        CHECK(id->uri() == "spiffe://td/ns/default/sa/web");
      } else {
        CHECK(id.error().kind == Errc::Refused);
        CHECK_THAT(id.error().text, Catch::Contains(std::string(row.want)));
      }
    }
  }
  CHECK(ca.bundle().verify({}, kNow).error().text == "peer presented no certificate");
}

TEST_CASE("trust bundle: two roots stand side by side", "[identity]") {
  const Ca old_ca, new_ca;
  const auto bundle = TrustBundle::make("td", {old_ca.root, new_ca.root});
  REQUIRE(bundle);
  const Key key = *Key::generate();
  const auto a = old_ca.leaf(key), b = new_ca.leaf(key);
  CHECK(bundle->verify({&*a, 1}, kNow));
  CHECK(bundle->verify({&*b, 1}, kNow));
  CHECK_FALSE(TrustBundle::make("td", {}));
  CHECK_FALSE(TrustBundle::make("td", {*a}));
  CHECK_FALSE(TrustBundle::make("td/x", {old_ca.root}));
}

TEST_CASE("svid: key and chain belong together", "[identity]") {
  const Ca ca;
  const Key key = *Key::generate();
  const auto svid = Svid::make(key, {*ca.leaf(key)});
  REQUIRE(svid);
  CHECK(svid->id().uri() == "spiffe://td/ns/default/sa/web");
  CHECK_FALSE(Svid::make(*Key::generate(), {*ca.leaf(key)}));
  CHECK_FALSE(Svid::make(key, {}));
  CHECK_FALSE(Svid::make(ca.key, {ca.root}));
}

TEST_CASE("certificate: an issuer below a root signs workloads, within its bounds", "[identity]") {
  const Ca ca;
  const Key host = *Key::generate();
  const Key key = *Key::generate();
  const Validity hour{kNow - 1min, kNow + 1h};
  const auto id = [](std::string_view ns) { return *SpiffeId::for_workload("td", ns, "web"); };

  SECTION("all of the trust domain") {
    const auto issuer = issue_intermediate(ca.root, ca.key, host.public_key(), {}, hour);
    REQUIRE(issuer);
    CHECK(issuer->is_ca());
    CHECK_FALSE(issuer->is_self_signed());
    CHECK(ca.root.is_self_signed());
    CHECK_FALSE(issuer->namespaces());
    CHECK(ca.bundle().verify_issuer({{*issuer}}, kNow));
    CHECK_FALSE(ca.bundle().verify({{*issuer}}, kNow));
    const auto leaf = issue_leaf(*issuer, host, key.public_key(), id("shop"), hour);
    REQUIRE(leaf);
    CHECK_FALSE(ca.bundle().verify({{*leaf}}, kNow));
    CHECK(ca.bundle().verify({{*leaf, *issuer}}, kNow)->uri() == "spiffe://td/ns/shop/sa/web");
    CHECK_FALSE(ca.bundle().verify({{*leaf, *issuer}}, kNow + 2h));
    CHECK_FALSE(Ca().bundle().verify_issuer({{*issuer}}, kNow));
    // Nothing goes below it.
    const Key third = *Key::generate();
    CHECK(issue_intermediate(*issuer, host, third.public_key(), {}, hour).error().kind ==
          Errc::Refused);
  }
  SECTION("some namespaces") {
    const auto issuer =
        issue_intermediate(ca.root, ca.key, host.public_key(), {"shop", "bank"}, hour);
    REQUIRE(issuer);
    CHECK(*issuer->namespaces() == std::vector<std::string>{"shop", "bank"});
    CHECK(issue_leaf(*issuer, host, key.public_key(), id("shop"), hour));
    const auto refused = issue_leaf(*issuer, host, key.public_key(), id("default"), hour);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == Errc::Refused);

    // A host that does not obey its bounds: its certd would sign, nobody believes it.
    const auto unbounded = issue_intermediate(ca.root, ca.key, host.public_key(), {}, hour);
    const auto forged = issue_leaf(*unbounded, host, key.public_key(), id("default"), hour);
    REQUIRE(forged);
    const auto judged = ca.bundle().verify({{*forged, *issuer}}, kNow);
    REQUIRE_FALSE(judged);
    CHECK_THAT(judged.error().text, Catch::Contains("may not name its namespace"));
  }
  SECTION("another trust domain") {
    const auto issuer = issue_intermediate(ca.root, ca.key, host.public_key(), {}, hour);
    CHECK_FALSE(issue_leaf(*issuer, host, key.public_key(),
                           *SpiffeId::for_workload("other", "shop", "web"), hour));
  }
  SECTION("what is no namespace") {
    CHECK_FALSE(issue_intermediate(ca.root, ca.key, host.public_key(), {"a,b"}, hour));
    CHECK_FALSE(issue_intermediate(ca.root, ca.key, host.public_key(), {""}, hour));
    CHECK_FALSE(issue_intermediate(ca.root, ca.key, host.public_key(),
                                   std::vector<std::string>(65, "a"), hour));
  }
  SECTION("never longer than its root") {
    const auto issuer =
        issue_intermediate(ca.root, ca.key, host.public_key(), {}, {kNow - 48h, kNow + 48h});
    REQUIRE(issuer);
    CHECK(issuer->not_after() == ca.root.not_after());
    CHECK(issuer->not_before() == ca.root.not_before());
  }
}

TEST_CASE("csr: a request travels as PEM", "[identity]") {
  const Key key = *Key::generate();
  const std::string der = *identity::Csr::create(key);
  const std::string pem = identity::Csr::to_pem(der);
  CHECK(pem.starts_with("-----BEGIN CERTIFICATE REQUEST-----\n"));
  const auto read = identity::Csr::from_pem(pem);
  REQUIRE(read);
  CHECK(read->der() == der);
  CHECK_FALSE(identity::Csr::from_pem("garbage"));
  CHECK_FALSE(identity::Csr::from_pem(pem.substr(0, pem.size() / 2)));
  CHECK(identity::Csr::from_pem(std::string(20'000, 'x')).error().kind == Errc::TooBig);
}
