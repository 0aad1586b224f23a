// What this module's files share of OpenSSL: owners, and its errors as text.
// For lib/identity and lib/tls only.
#pragma once

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace mesh::identity::openssl {

template <auto release>
struct Releaser {
  template <class T>
  void operator()(T* object) const {
    release(object);
  }
};
template <class T, auto release>
using Owner = std::unique_ptr<T, Releaser<release>>;

inline void free_general_names(GENERAL_NAMES* names) { GENERAL_NAMES_free(names); }
inline void free_x509_stack(STACK_OF(X509) * stack) {
  sk_X509_free(stack);
}  // not the certificates

using Bio = Owner<BIO, BIO_free_all>;
using PKey = Owner<EVP_PKEY, EVP_PKEY_free>;
using PKeyContext = Owner<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using DigestContext = Owner<EVP_MD_CTX, EVP_MD_CTX_free>;
using X509Owner = Owner<X509, X509_free>;
using RevocationList = Owner<X509_CRL, X509_CRL_free>;
using Request = Owner<X509_REQ, X509_REQ_free>;
using Extension = Owner<X509_EXTENSION, X509_EXTENSION_free>;
using Names = Owner<GENERAL_NAMES, free_general_names>;
using Store = Owner<X509_STORE, X509_STORE_free>;
using StoreContext = Owner<X509_STORE_CTX, X509_STORE_CTX_free>;
using CertificateStack = Owner<STACK_OF(X509), free_x509_stack>;

// "DOING: what OpenSSL said last", and its error queue emptied.
inline Error error(Errc kind, std::string_view doing) {
  char text[256] = "no reason given";
  if (const unsigned long code = ERR_peek_last_error(); code != 0) {
    if (const char* reason = ERR_reason_error_string(code))
      std::snprintf(text, sizeof text, "%s", reason);
    else
      ERR_error_string_n(code, text, sizeof text);
  }
  ERR_clear_error();
  return Error{kind, std::string(doing) + ": " + text};
}

inline Bio reader(std::string_view bytes) {
  return Bio(BIO_new_mem_buf(bytes.data(), int(bytes.size())));
}

// What a memory BIO has collected.
inline std::string collected(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, size_t(size)) : std::string();
}

// The DER of an object by its i2d function.
template <class T, class ToDer>
std::string to_der(T* object, ToDer i2d) {
  unsigned char* out = nullptr;
  const int size = i2d(object, &out);
  if (size <= 0) return {};
  std::string der(reinterpret_cast<char*>(out), size_t(size));
  OPENSSL_free(out);
  return der;
}

inline const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace mesh::identity::openssl
