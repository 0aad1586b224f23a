#include "identity/csr.h"

#include <openssl/pem.h>

#include "identity/openssl.h"

namespace mesh::identity {

Result<std::string> Csr::create(const Key& key) {
  const openssl::Request request(X509_REQ_new());
  if (!request || X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) != 1 ||
      X509_REQ_set_pubkey(request.get(), key.native()) != 1 ||
      X509_REQ_sign(request.get(), key.native(), EVP_sha256()) <= 0)
    return openssl::error(Errc::Internal, "make certificate request");
  return openssl::to_der(request.get(), i2d_X509_REQ);
}

Result<Csr> Csr::from_pem(std::string_view pem) {
  if (pem.size() > 2 * kBytesMax) return Error{Errc::TooBig, "certificate request is over 16 KiB"};
  const openssl::Bio bio = openssl::reader(pem);
  const openssl::Request request(bio ? PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr)
                                     : nullptr);
  if (!request) return openssl::error(Errc::Invalid, "no certificate request in PEM text");
  return parse(openssl::to_der(request.get(), i2d_X509_REQ));
}

std::string Csr::to_pem(std::string_view der) {
  const openssl::Bio bio(BIO_new(BIO_s_mem()));
  MESH_CHECK(bio && PEM_write_bio(bio.get(), PEM_STRING_X509_REQ, "", openssl::bytes_of(der),
                                  long(der.size())) > 0);
  return openssl::collected(bio.get());
}

Result<Csr> Csr::parse(std::string_view der) {
  if (der.size() > kBytesMax) return Error{Errc::TooBig, "certificate request is over 8 KiB"};
  const unsigned char* at = openssl::bytes_of(der);
  const openssl::Request request(d2i_X509_REQ(nullptr, &at, long(der.size())));
  if (!request) return openssl::error(Errc::Invalid, "certificate request is not PKCS#10");
  // One request, one encoding: bytes behind it, or a laxer BER, are refused.
  if (at != openssl::bytes_of(der) + der.size() ||
      openssl::to_der(request.get(), i2d_X509_REQ) != der)
    return Error{Errc::Invalid, "certificate request is not exactly one DER object"};
  auto key = PublicKey::adopt(X509_REQ_get_pubkey(request.get()));
  if (!key) return std::move(key).error().during("certificate request");
  if (X509_REQ_get_signature_nid(request.get()) != NID_ecdsa_with_SHA256)
    return Error{Errc::Invalid, "certificate request: expected a signature by ECDSA with SHA-256"};
  if (X509_REQ_verify(request.get(), key->native()) != 1) {
    ERR_clear_error();
    return Error{Errc::Invalid, "certificate request: the signature is not by its own key"};
  }
  return Csr(*std::move(key), std::string(der));
}

}  // namespace mesh::identity
