// Keys of every kind, the sets that hold them, and tokens signed with them.
#pragma once

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "base/base64_url.h"

namespace mesh::support {

class SigningKey {
 public:
  // "RS256", "PS384", "ES512", "EdDSA" and the like; RSA has 2048 bits.
  explicit SigningKey(std::string algorithm, std::string id = "k1")
      : algorithm_(std::move(algorithm)), id_(std::move(id)) {
    if (algorithm_ == "EdDSA")
      key_.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
    else if (algorithm_.starts_with("ES"))
      key_.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve().c_str()));
    else
      key_.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", size_t(2048)));
    if (!key_) std::abort();
  }

  // The public half as a JWK.
  std::string jwk() const {
    std::string text = R"({"kid":")" + id_ + R"(","alg":")" + algorithm_ + R"(",)";
    if (algorithm_ == "EdDSA") {
      std::string raw(32, '\0');
      size_t size = raw.size();
      EVP_PKEY_get_raw_public_key(key_.get(), bytes(raw), &size);
      return text + R"("kty":"OKP","crv":"Ed25519","x":")" + base64::encode_url(raw) + "\"}";
    }
    if (algorithm_.starts_with("ES"))
      return text + R"("kty":"EC","crv":")" + curve() + R"(","x":")" +
             number(OSSL_PKEY_PARAM_EC_PUB_X, coordinate()) + R"(","y":")" +
             number(OSSL_PKEY_PARAM_EC_PUB_Y, coordinate()) + "\"}";
    return text + R"("kty":"RSA","n":")" + number(OSSL_PKEY_PARAM_RSA_N, 256) + R"(","e":")" +
           number(OSSL_PKEY_PARAM_RSA_E, 3) + "\"}";
  }
  std::string jwks() const { return "{\"keys\":[" + jwk() + "]}"; }

  // A token of this payload, a JSON object; the header says our algorithm and id.
  std::string token(std::string_view payload) const {
    return signed_text(R"({"alg":")" + algorithm_ + R"(","kid":")" + id_ + "\"}", payload);
  }
  std::string signed_text(std::string_view header, std::string_view payload) const {
    const std::string text = base64::encode_url(header) + "." + base64::encode_url(payload);
    return text + "." + base64::encode_url(sign(text));
  }

 private:
  struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
    void operator()(BIGNUM* n) const { BN_free(n); }
    void operator()(ECDSA_SIG* s) const { ECDSA_SIG_free(s); }
  };
  static unsigned char* bytes(std::string& s) { return reinterpret_cast<unsigned char*>(s.data()); }
  std::string curve() const {
    return "P-" + (algorithm_ == "ES512" ? "521" : algorithm_.substr(2));
  }
  int coordinate() const { return algorithm_ == "ES512" ? 66 : algorithm_ == "ES384" ? 48 : 32; }

  std::string number(const char* name, int size) const {
    BIGNUM* n = nullptr;
    EVP_PKEY_get_bn_param(key_.get(), name, &n);
    const std::unique_ptr<BIGNUM, Free> owned(n);
    std::string raw(size_t(size), '\0');
    BN_bn2binpad(n, bytes(raw), size);
    return base64::encode_url(raw);
  }

  std::string sign(const std::string& text) const {
    const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
    EVP_PKEY_CTX* parameters = nullptr;
    const EVP_MD* const digest = algorithm_ == "EdDSA"         ? nullptr
                                 : algorithm_.ends_with("256") ? EVP_sha256()
                                 : algorithm_.ends_with("384") ? EVP_sha384()
                                                               : EVP_sha512();
    EVP_DigestSignInit(context.get(), &parameters, digest, nullptr, key_.get());
    if (algorithm_.starts_with("PS")) {
      EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING);
      EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST);
    }
    std::string signature(1024, '\0');
    size_t size = signature.size();
    const auto* const data = reinterpret_cast<const unsigned char*>(text.data());
    if (EVP_DigestSign(context.get(), bytes(signature), &size, data, text.size()) != 1)
      std::abort();
    signature.resize(size);
    if (!algorithm_.starts_with("ES")) return signature;
    const unsigned char* der = bytes(signature);
    const std::unique_ptr<ECDSA_SIG, Free> pair(d2i_ECDSA_SIG(nullptr, &der, long(size)));
    std::string raw(size_t(2 * coordinate()), '\0');
    BN_bn2binpad(ECDSA_SIG_get0_r(pair.get()), bytes(raw), coordinate());
    BN_bn2binpad(ECDSA_SIG_get0_s(pair.get()), bytes(raw) + coordinate(), coordinate());
    return raw;
  }

  const std::string algorithm_;
  const std::string id_;
  std::unique_ptr<EVP_PKEY, Free> key_;
};

}  // namespace mesh::support
