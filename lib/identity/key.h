// Key: a P-256 key pair. PublicKey: its public half.
//
// One algorithm on purpose: ECDSA over P-256 with SHA-256 is what every TLS
// peer speaks and what certd signs. Values; copies share the immutable key.
// Any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct evp_pkey_st;

namespace mesh::identity {

class PublicKey {
 public:
  // SubjectPublicKeyInfo, DER (RFC 5480); exactly one, nothing behind it.
  // Errc::Invalid unless it is a named-curve P-256 point.
  static Result<PublicKey> from_der(std::string_view der);
  // Adopts a reference to an OpenSSL key. For this module and lib/tls.
  static Result<PublicKey> adopt(evp_pkey_st* key);

  const std::string& der() const { return der_; }
  // SHA-256 of der() in hexadecimal, 64 digits: the key's name everywhere.
  const std::string& fingerprint() const { return fingerprint_; }
  // Whether `signature` (DER, ECDSA with SHA-256) is this key's on `message`.
  bool verify(std::string_view message, std::string_view signature) const;

  evp_pkey_st* native() const { return key_.get(); }

 private:
  PublicKey() = default;
  std::shared_ptr<evp_pkey_st> key_;
  std::string der_;
  std::string fingerprint_;
};

class Key {
 public:
  static Result<Key> generate();

  // PKCS#8 or SEC 1 PEM without a passphrase, at most 16 KiB.
  static Result<Key> from_pem(std::string_view pem);

  // Reads a PEM file. Errc::NotFound when there is none, Errc::Refused when it
  // is not a regular file of ours or its mode is looser than 0600.
  static Result<Key> load(const std::string& path);

  // Writes PKCS#8 PEM: a new file of mode 0600, synced, renamed into place.
  Result<void> save(const std::string& path) const;

  std::string pem() const;
  const PublicKey& public_key() const { return public_key_; }
  const std::string& fingerprint() const { return public_key_.fingerprint(); }

  // ECDSA with SHA-256, DER.
  Result<std::string> sign(std::string_view message) const;

  evp_pkey_st* native() const { return public_key_.native(); }

 private:
  explicit Key(PublicKey key) : public_key_(std::move(key)) {}
  PublicKey public_key_;  // its native key holds the private half too
};

}  // namespace mesh::identity
