#include "identity/jwks.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/base64_url.h"
#include "base/json_value.h"
#include "base/text.h"
#include "identity/openssl.h"

namespace mesh::identity {
namespace {

using Type = Jwks::Key::Type;
using Builder = openssl::Owner<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using Params = openssl::Owner<OSSL_PARAM, OSSL_PARAM_free>;
using Number = openssl::Owner<BIGNUM, BN_free>;
using Signature = openssl::Owner<ECDSA_SIG, ECDSA_SIG_free>;

constexpr int kRsaBitsMin = 2048;  // RFC 7518, section 3.3
constexpr int kRsaBitsMax = 8192;

constexpr std::array<std::string_view, 10> kAlgorithms{"RS256", "RS384", "RS512", "PS256", "PS384",
                                                       "PS512", "ES256", "ES384", "ES512", "EdDSA"};

struct Curve {
  std::string_view name;
  Type type;
  const char* group;
  size_t bytes;  // of a coordinate
};
constexpr Curve kCurves[] = {
    {"P-256", Type::P256, "P-256", 32},
    {"P-384", Type::P384, "P-384", 48},
    {"P-521", Type::P521, "P-521", 66},
};

std::string text_of(const json::Value& key, std::string_view name) {
  const json::Value* const value = key.find(name);
  return value != nullptr && value->is_string() ? value->text : std::string();
}

Result<std::string> bytes_of(const json::Value& key, std::string_view name) {
  auto bytes = base64::decode_url(text_of(key, name));
  if (!bytes || bytes->empty())
    return Error{Errc::Invalid, std::string(name) + ": expected base64url"};
  return *std::move(bytes);
}

Result<std::shared_ptr<EVP_PKEY>> from_params(const char* type, OSSL_PARAM_BLD* builder) {
  const Params params(OSSL_PARAM_BLD_to_param(builder));
  const openssl::PKeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1)
    return openssl::error(Errc::Invalid, "make the key");
  return std::shared_ptr<EVP_PKEY>(key, EVP_PKEY_free);
}

// Null: of a size that is not for us.
Result<std::shared_ptr<EVP_PKEY>> rsa(const json::Value& key) {
  MESH_TRY(const std::string n, bytes_of(key, "n"));
  MESH_TRY(const std::string e, bytes_of(key, "e"));
  if (n.size() > size_t(kRsaBitsMax) / 8 + 1 || e.size() > 8) return std::shared_ptr<EVP_PKEY>();
  const Number modulus(BN_bin2bn(openssl::bytes_of(n), int(n.size()), nullptr));
  const Number exponent(BN_bin2bn(openssl::bytes_of(e), int(e.size()), nullptr));
  if (!modulus || !exponent || BN_num_bits(modulus.get()) < kRsaBitsMin ||
      BN_num_bits(modulus.get()) > kRsaBitsMax || !BN_is_odd(exponent.get()) ||
      BN_is_one(exponent.get()))
    return std::shared_ptr<EVP_PKEY>();
  const Builder builder(OSSL_PARAM_BLD_new());
  if (!builder ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) != 1)
    return openssl::error(Errc::Internal, "make the key");
  return from_params("RSA", builder.get());
}

Result<std::shared_ptr<EVP_PKEY>> elliptic(const json::Value& key, const Curve& curve) {
  MESH_TRY(const std::string x, bytes_of(key, "x"));
  MESH_TRY(const std::string y, bytes_of(key, "y"));
  if (x.size() != curve.bytes || y.size() != curve.bytes)
    return Error{Errc::Invalid, "x, y: expected " + std::to_string(curve.bytes) + " bytes each"};
  const std::string point = "\x04" + x + y;
  const Builder builder(OSSL_PARAM_BLD_new());
  if (!builder ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve.group, 0) !=
          1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                       point.size()) != 1)
    return openssl::error(Errc::Internal, "make the key");
  MESH_TRY(auto made, from_params("EC", builder.get()));
  const openssl::PKeyContext check(EVP_PKEY_CTX_new(made.get(), nullptr));
  if (!check || EVP_PKEY_public_check(check.get()) != 1)
    return openssl::error(Errc::Invalid, "x, y: no point of the curve");
  return made;
}

Result<std::shared_ptr<EVP_PKEY>> edwards(const json::Value& key) {
  MESH_TRY(const std::string x, bytes_of(key, "x"));
  if (x.size() != 32) return Error{Errc::Invalid, "x: expected 32 bytes"};
  EVP_PKEY* const made =
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, openssl::bytes_of(x), x.size());
  if (made == nullptr) return openssl::error(Errc::Invalid, "make the key");
  return std::shared_ptr<EVP_PKEY>(made, EVP_PKEY_free);
}

// Nullopt: a key that verifies nothing here.
Result<std::optional<Jwks::Key>> read(const json::Value& value) {
  if (!value.is_object()) return Error{Errc::Invalid, "expected an object"};
  Jwks::Key key{};
  key.id = text_of(value, "kid");
  key.algorithm = text_of(value, "alg");
  const std::string type = text_of(value, "kty");
  const std::string curve = text_of(value, "crv");
  if (type.empty()) return Error{Errc::Invalid, "kty is missing"};
  JwtAlgorithm algorithm{};
  const bool unfit = text_of(value, "use") == "enc" ||
                     (!key.algorithm.empty() && !find_algorithm(key.algorithm, algorithm));
  if (unfit) return std::optional<Jwks::Key>();
  if (type == "RSA") {
    key.type = Type::Rsa;
    MESH_TRY(key.key, rsa(value));
  } else if (type == "EC") {
    const auto* const known = std::find_if(std::begin(kCurves), std::end(kCurves),
                                           [&](const Curve& c) { return c.name == curve; });
    if (known == std::end(kCurves)) return std::optional<Jwks::Key>();
    key.type = known->type;
    MESH_TRY(key.key, elliptic(value, *known));
  } else if (type == "OKP" && curve == "Ed25519") {
    key.type = Type::Ed25519;
    MESH_TRY(key.key, edwards(value));
  }
  if (key.key == nullptr) return std::optional<Jwks::Key>();
  return std::optional<Jwks::Key>(std::move(key));
}

const EVP_MD* digest_of(JwtAlgorithm algorithm) {
  switch (algorithm) {
    case JwtAlgorithm::RS256:
    case JwtAlgorithm::PS256:
    case JwtAlgorithm::ES256: return EVP_sha256();
    case JwtAlgorithm::RS384:
    case JwtAlgorithm::PS384:
    case JwtAlgorithm::ES384: return EVP_sha384();
    case JwtAlgorithm::RS512:
    case JwtAlgorithm::PS512:
    case JwtAlgorithm::ES512: return EVP_sha512();
    case JwtAlgorithm::EdDSA: break;
  }
  return nullptr;
}

bool is_pss(JwtAlgorithm algorithm) {
  return algorithm >= JwtAlgorithm::PS256 && algorithm <= JwtAlgorithm::PS512;
}

bool fits(Type type, JwtAlgorithm algorithm) {
  switch (type) {
    case Type::Rsa: return algorithm <= JwtAlgorithm::PS512;
    case Type::P256: return algorithm == JwtAlgorithm::ES256;
    case Type::P384: return algorithm == JwtAlgorithm::ES384;
    case Type::P521: return algorithm == JwtAlgorithm::ES512;
    case Type::Ed25519: return algorithm == JwtAlgorithm::EdDSA;
  }
  return false;
}

// JWS has r and s side by side (RFC 7518, section 3.4), OpenSSL wants DER; empty: wrong.
std::string to_der(std::string_view raw, size_t coordinate_bytes) {
  if (raw.size() != 2 * coordinate_bytes) return {};
  const auto half = int(coordinate_bytes);
  const auto* const bytes = openssl::bytes_of(raw);
  Number r(BN_bin2bn(bytes, half, nullptr));
  Number s(BN_bin2bn(bytes + half, half, nullptr));
  const Signature signature(ECDSA_SIG_new());
  if (!r || !s || !signature || ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1) return {};
  static_cast<void>(r.release());
  static_cast<void>(s.release());
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &der);
  if (size <= 0) return {};
  std::string result(reinterpret_cast<const char*>(der), size_t(size));
  OPENSSL_free(der);
  return result;
}

size_t coordinate_bytes(Type type) {
  for (const Curve& curve : kCurves)
    if (curve.type == type) return curve.bytes;
  return 0;
}

}  // namespace

bool find_algorithm(std::string_view name, JwtAlgorithm& algorithm) {
  const auto found = std::find(kAlgorithms.begin(), kAlgorithms.end(), name);
  if (found == kAlgorithms.end()) return false;
  algorithm = JwtAlgorithm(found - kAlgorithms.begin());
  return true;
}

Result<Jwks> Jwks::parse(std::string_view text) {
  if (text.size() > kBytesMax) return Error{Errc::TooBig, "over 256 KiB"};
  MESH_TRY(const json::Value set, json::parse(text));
  const json::Value* const list = set.find("keys");
  if (list == nullptr || !list->is_list())
    return Error{Errc::Invalid, "expected an object with a list \"keys\""};
  if (list->items.size() > kKeysMax) return Error{Errc::TooBig, "over 100 keys"};
  std::vector<Key> keys;
  for (size_t i = 0; i < list->items.size(); ++i) {
    auto key = read(list->items[i]);
    if (!key) return std::move(key).error().during("keys[" + std::to_string(i) + "]");
    if (*key) keys.push_back(**std::move(key));
  }
  if (keys.empty()) return Error{Errc::Invalid, "no key that signatures can be verified with"};
  Jwks result;
  result.keys_ = std::make_shared<const std::vector<Key>>(std::move(keys));
  return result;
}

bool verify(const Jwks::Key& key, JwtAlgorithm algorithm, std::string_view message,
            std::string_view signature) {
  if (!fits(key.type, algorithm)) return false;
  std::string der;
  if (const size_t bytes = coordinate_bytes(key.type); bytes != 0) {
    der = to_der(signature, bytes);
    if (der.empty()) return false;
    signature = der;
  }
  const openssl::DigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* parameters = nullptr;  // of the context
  bool good = context && EVP_DigestVerifyInit(context.get(), &parameters, digest_of(algorithm),
                                              nullptr, key.key.get()) == 1;
  if (good && is_pss(algorithm))
    good = EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) == 1;
  good = good && EVP_DigestVerify(context.get(), openssl::bytes_of(signature), signature.size(),
                                  openssl::bytes_of(message), message.size()) == 1;
  ERR_clear_error();
  return good;
}

}  // namespace mesh::identity
