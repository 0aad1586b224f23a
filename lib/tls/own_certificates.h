// OwnCertificates: a server's several certificates with their keys, and which of them a
// session shows. Inside of lib/tls only.
#pragma once

#include <vector>

#include "base/result.h"
#include "identity/certificate.h"
#include "identity/openssl.h"
#include "tls/certificate_choice.h"

struct ssl_st;

namespace mesh::tls {

class OwnCertificates {
 public:
  struct One {
    std::vector<identity::Certificate> chain;  // leaf first
    identity::openssl::PKey key;
  };

  // Errc::Invalid: a key is another certificate's. At least one is there.
  static Result<OwnCertificates> make(std::vector<One> certificates, bool full_scan);

  // Has `ssl` show what clients may be shown that ask for the name. Of two kinds OpenSSL takes
  // the one that the client verifies, ECDSA before RSA. False where it has no memory.
  bool show(ssl_st* ssl, std::string_view name) const;

  const std::vector<One>& list() const { return list_; }

 private:
  OwnCertificates(std::vector<One> list, CertificateChoice choice)
      : list_(std::move(list)), choice_(std::move(choice)) {}

  std::vector<One> list_;
  CertificateChoice choice_;
};

}  // namespace mesh::tls
