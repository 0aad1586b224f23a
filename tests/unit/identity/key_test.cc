// Keys and requests: one algorithm, strict encodings, files of ours alone.

#include "identity/key.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "base/file.h"
#include "base/text.h"
#include "identity/csr.h"
#include "identity/digest.h"

using namespace mesh;
using identity::Csr;
using identity::Key;
using identity::PublicKey;

namespace {

// A P-384 key, made for this test by openssl(1).
constexpr const char* kP384 =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDCi+W+Vi8ZU0f6oR6++\n"
    "N5EEfUPwFb+YBGA7TWMuDCxMuZZYntJ7wiHLYnCnyTZSVoWhZANiAASEtqs9K1Be\n"
    "3fa6mIEaksUcg8IJHBteGqZlE+7jMnTs8EIIlDCF92haMeF4uIrGqqIqG+yDsKx7\n"
    "x3fOS/IujhkKSc2JoBRIo02Zfas8O0/+uL7vRXYjiasKNGCvwQUSlc4=\n"
    "-----END PRIVATE KEY-----\n";

struct Directory {
  std::string path;
  Directory() {
    std::string form = (std::filesystem::temp_directory_path() / "mesh-key-XXXXXX").string();
    REQUIRE(::mkdtemp(form.data()) != nullptr);
    path = form;
  }
  ~Directory() { std::filesystem::remove_all(path); }
};

}  // namespace

TEST_CASE("key: saved and loaded it is the same key", "[identity]") {
  const Directory directory;
  const std::string path = directory.path + "/key.pem";
  const auto key = Key::generate();
  REQUIRE(key);
  CHECK(key->fingerprint().size() == 64);
  REQUIRE(key->save(path));
  const auto loaded = Key::load(path);
  REQUIRE(loaded);
  CHECK(loaded->fingerprint() == key->fingerprint());

  REQUIRE(::chmod(path.c_str(), 0640) == 0);
  CHECK(Key::load(path).error().kind == Errc::Refused);
  CHECK(Key::load(directory.path + "/none").error().kind == Errc::NotFound);
}

TEST_CASE("key: a signature is by its key on its message", "[identity]") {
  const auto key = Key::generate();
  const auto other = Key::generate();
  const auto signature = key->sign("message");
  REQUIRE(signature);
  CHECK(key->public_key().verify("message", *signature));
  CHECK_FALSE(key->public_key().verify("massage", *signature));
  CHECK_FALSE(other->public_key().verify("message", *signature));
  CHECK_FALSE(key->public_key().verify("message", ""));
  CHECK_FALSE(key->public_key().verify("message", "garbage"));
}

TEST_CASE("key: what is no P-256 key is refused", "[identity]") {
  CHECK_FALSE(Key::from_pem(""));
  CHECK_FALSE(Key::from_pem("garbage"));
  CHECK_FALSE(Key::from_pem(kP384));
  CHECK(Key::from_pem(std::string(17 * 1024, 'x')).error().kind == Errc::TooBig);
  const auto key = Key::generate();
  const std::string der = key->public_key().der();
  REQUIRE(PublicKey::from_der(der));
  CHECK(PublicKey::from_der(der)->fingerprint() == key->fingerprint());
  CHECK_FALSE(PublicKey::from_der(der + "x"));
  CHECK_FALSE(PublicKey::from_der(der.substr(0, der.size() - 1)));
  std::string off_curve = der;
  off_curve.back() = char(off_curve.back() ^ 1);
  CHECK_FALSE(PublicKey::from_der(off_curve));
}

TEST_CASE("csr: it proves possession of its key", "[identity]") {
  const auto key = Key::generate();
  const auto der = Csr::create(*key);
  REQUIRE(der);
  const auto csr = Csr::parse(*der);
  REQUIRE(csr);
  CHECK(csr->key().fingerprint() == key->fingerprint());
}

TEST_CASE("csr: every damaged byte is refused, none aborts", "[identity]") {
  const auto key = Key::generate();
  const auto der = Csr::create(*key);
  REQUIRE(der);
  for (size_t at = 0; at < der->size(); ++at) {
    for (const int flip : {0x01, 0x80}) {
      std::string damaged = *der;
      damaged[at] = char(damaged[at] ^ flip);
      INFO("byte " << at << " flipped by " << flip);
      CHECK_FALSE(Csr::parse(damaged));
    }
    CHECK_FALSE(Csr::parse(der->substr(0, at)));
  }
  CHECK_FALSE(Csr::parse(*der + '\0'));
  CHECK_FALSE(Csr::parse(*der + *der));
  CHECK(Csr::parse(std::string(Csr::kBytesMax + 1, '0')).error().kind == Errc::TooBig);
}

TEST_CASE("digest: SHA-256 of FIPS 180-4, and secrets compared whole", "[identity]") {
  CHECK(text::to_hex(identity::sha256("abc")) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(identity::equal_secret("secret", "secret"));
  CHECK_FALSE(identity::equal_secret("secret", "secres"));
  CHECK_FALSE(identity::equal_secret("secret", "secret "));
  CHECK(identity::random_hex(16).size() == 32);
  CHECK(identity::random_hex(16) != identity::random_hex(16));
}
