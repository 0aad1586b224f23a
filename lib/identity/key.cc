#include "identity/key.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>

#include "base/file.h"
#include "base/text.h"
#include "identity/digest.h"
#include "identity/openssl.h"

namespace mesh::identity {
namespace {

constexpr size_t kPemBytesMax = 16 * 1024;
constexpr size_t kDerBytesMax = 4 * 1024;

bool is_p256(EVP_PKEY* key) {
  char group[64] = "";
  size_t length = 0;
  return EVP_PKEY_is_a(key, "EC") == 1 &&
         EVP_PKEY_get_group_name(key, group, sizeof group, &length) == 1 &&
         std::string_view(group, length) == SN_X9_62_prime256v1;
}

// No passphrase is ever asked for: a daemon has no terminal.
int no_passphrase(char*, int, int, void*) { return -1; }

}  // namespace

Result<PublicKey> PublicKey::adopt(evp_pkey_st* key) {
  std::shared_ptr<evp_pkey_st> owned(key, EVP_PKEY_free);
  if (key == nullptr) return openssl::error(Errc::Invalid, "public key");
  if (!is_p256(key)) return Error{Errc::Invalid, "public key: expected an EC key on P-256"};
  const openssl::PKeyContext check(EVP_PKEY_CTX_new(key, nullptr));
  if (!check || EVP_PKEY_public_check(check.get()) != 1)
    return openssl::error(Errc::Invalid, "public key: not a point of its curve");
  PublicKey out;
  out.der_ = openssl::to_der(key, i2d_PUBKEY);
  if (out.der_.empty()) return openssl::error(Errc::Internal, "encode public key");
  out.fingerprint_ = text::to_hex(sha256(out.der_));
  out.key_ = std::move(owned);
  return out;
}

Result<PublicKey> PublicKey::from_der(std::string_view der) {
  if (der.size() > kDerBytesMax) return Error{Errc::TooBig, "public key is over 4 KiB"};
  const unsigned char* at = openssl::bytes_of(der);
  openssl::PKey key(d2i_PUBKEY(nullptr, &at, long(der.size())));
  if (!key) return openssl::error(Errc::Invalid, "public key");
  if (at != openssl::bytes_of(der) + der.size())
    return Error{Errc::Invalid, "public key: bytes behind its end"};
  return adopt(key.release());
}

bool PublicKey::verify(std::string_view message, std::string_view signature) const {
  const openssl::DigestContext context(EVP_MD_CTX_new());
  const bool good =
      context &&
      EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, native()) == 1 &&
      EVP_DigestVerify(context.get(), openssl::bytes_of(signature), signature.size(),
                       openssl::bytes_of(message), message.size()) == 1;
  ERR_clear_error();
  return good;
}

Result<Key> Key::generate() {
  EVP_PKEY* key = EVP_EC_gen(SN_X9_62_prime256v1);
  if (key == nullptr) return openssl::error(Errc::Internal, "generate key");
  MESH_TRY(PublicKey half, PublicKey::adopt(key));
  return Key(std::move(half));
}

Result<Key> Key::from_pem(std::string_view pem) {
  if (pem.size() > kPemBytesMax) return Error{Errc::TooBig, "private key is over 16 KiB"};
  const openssl::Bio bio = openssl::reader(pem);
  EVP_PKEY* key =
      bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr) : nullptr;
  if (key == nullptr) return openssl::error(Errc::Invalid, "private key is not PEM");
  auto half = PublicKey::adopt(key);
  if (!half) return Error{Errc::Invalid, "private key: expected an EC key on P-256"};
  // Catches a public half that does not belong to the private one.
  const openssl::PKeyContext check(EVP_PKEY_CTX_new(half->native(), nullptr));
  if (!check || EVP_PKEY_pairwise_check(check.get()) != 1)
    return openssl::error(Errc::Invalid, "private key: its halves do not fit");
  return Key(*std::move(half));
}

Result<Key> Key::load(const std::string& path) {
  MESH_TRY(const std::string pem, file::read_secret(path, kPemBytesMax));
  auto key = from_pem(pem);
  if (!key) return std::move(key).error().during(path);
  return key;
}

Result<void> Key::save(const std::string& path) const { return file::write(path, pem(), 0600); }

std::string Key::pem() const {
  const openssl::Bio bio(BIO_new(BIO_s_secmem()));
  MESH_CHECK(bio && PEM_write_bio_PKCS8PrivateKey(bio.get(), native(), nullptr, nullptr, 0, nullptr,
                                                  nullptr) == 1);
  return openssl::collected(bio.get());
}

Result<std::string> Key::sign(std::string_view message) const {
  const openssl::DigestContext context(EVP_MD_CTX_new());
  size_t size = 0;
  if (!context ||
      EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, native()) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, openssl::bytes_of(message), message.size()) !=
          1)
    return openssl::error(Errc::Internal, "sign");
  std::string signature(size, '\0');
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     openssl::bytes_of(message), message.size()) != 1)
    return openssl::error(Errc::Internal, "sign");
  signature.resize(size);
  return signature;
}

}  // namespace mesh::identity
