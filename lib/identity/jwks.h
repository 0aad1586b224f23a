// Jwks: public keys that tokens are verified with (RFC 7517).
//
// Immutable; copies share the keys. Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

struct evp_pkey_st;

namespace mesh::identity {

// How a token is signed (RFC 7518, RFC 8037). What is not here is refused: "none", and
// secrets that the verifier would have to share.
enum class JwtAlgorithm : uint8_t {
  RS256,
  RS384,
  RS512,
  PS256,
  PS384,
  PS512,
  ES256,
  ES384,
  ES512,
  EdDSA
};
bool find_algorithm(std::string_view name, JwtAlgorithm& algorithm);

class Jwks {
 public:
  static constexpr size_t kBytesMax = 256 * 1024;
  static constexpr size_t kKeysMax = 100;

  struct Key {
    enum class Type : uint8_t { Rsa, P256, P384, P521, Ed25519 } type;
    std::string id;         // kid; empty: any
    std::string algorithm;  // alg; empty: any that fits the type
    std::shared_ptr<evp_pkey_st> key;
  };

  // A set {"keys": [...]}. Keys that verify nothing here are left out: secrets, those for
  // encryption, unknown types and curves, RSA of less than 2048 or more than 8192 bits.
  // Errc::Invalid where it is no such set, a key of a known type is malformed, or none is
  // left; Errc::TooBig over a limit.
  static Result<Jwks> parse(std::string_view text);

  const std::vector<Key>& keys() const { return *keys_; }

 private:
  std::shared_ptr<const std::vector<Key>> keys_;
};

// Whether `signature` is that of `message` by the key. False too where the algorithm is
// not for such a key.
bool verify(const Jwks::Key& key, JwtAlgorithm algorithm, std::string_view message,
            std::string_view signature);

}  // namespace mesh::identity
