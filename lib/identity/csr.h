// Csr: a request to sign a key (PKCS#10, RFC 2986).
//
// It proves possession of the key and carries nothing else that counts: names
// and extensions in it are ignored, identity comes from the attested peer.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "identity/key.h"

namespace mesh::identity {

class Csr {
 public:
  static constexpr size_t kBytesMax = 8 * 1024;

  // DER, signed by `key`, with an empty subject.
  static Result<std::string> create(const Key& key);

  // Between "BEGIN CERTIFICATE REQUEST" and its end (RFC 7468, section 7): what
  // travels between hosts. Exactly one request; errors as parse().
  static Result<Csr> from_pem(std::string_view pem);
  static std::string to_pem(std::string_view der);

  // Errc::TooBig over kBytesMax; Errc::Invalid unless it is exactly one DER
  // request of a P-256 key whose signature is right.
  static Result<Csr> parse(std::string_view der);

  const PublicKey& key() const { return key_; }
  const std::string& der() const { return der_; }

 private:
  Csr(PublicKey key, std::string der) : key_(std::move(key)), der_(std::move(der)) {}
  PublicKey key_;
  std::string der_;
};

}  // namespace mesh::identity
