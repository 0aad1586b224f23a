#include "support/revocations.h"

#include <openssl/pem.h>

#include <ctime>

#include "base/check.h"
#include "identity/openssl.h"

namespace mesh::support {
namespace {

namespace openssl = identity::openssl;
using Time = openssl::Owner<ASN1_TIME, ASN1_TIME_free>;

Time at(std::chrono::seconds from_now) {
  Time time(ASN1_TIME_set(nullptr, std::time(nullptr) + from_now.count()));
  MESH_CHECK(time != nullptr);
  return time;
}

}  // namespace

std::string revocation_list(const identity::Certificate& issuer, const identity::Key& key,
                            const std::vector<identity::Certificate>& revoked,
                            std::chrono::seconds life) {
  const openssl::RevocationList list(X509_CRL_new());
  MESH_CHECK(list && X509_CRL_set_version(list.get(), X509_CRL_VERSION_2) == 1);
  X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(issuer.native()));
  X509_CRL_set1_lastUpdate(list.get(), at(std::chrono::hours(-2)).get());
  X509_CRL_set1_nextUpdate(list.get(), at(life).get());
  for (const auto& certificate : revoked) {
    X509_REVOKED* const entry = X509_REVOKED_new();
    MESH_CHECK(entry != nullptr);
    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(certificate.native()));
    X509_REVOKED_set_revocationDate(entry, at(std::chrono::hours(-1)).get());
    MESH_CHECK(X509_CRL_add0_revoked(list.get(), entry) == 1);
  }
  X509_CRL_sort(list.get());
  MESH_CHECK(X509_CRL_sign(list.get(), key.native(), EVP_sha256()) > 0);
  const openssl::Bio out(BIO_new(BIO_s_mem()));
  MESH_CHECK(out && PEM_write_bio_X509_CRL(out.get(), list.get()) == 1);
  return openssl::collected(out.get());
}

}  // namespace mesh::support
