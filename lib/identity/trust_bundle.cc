#include "identity/trust_bundle.h"

#include "base/text.h"
#include "identity/openssl.h"

namespace mesh::identity {
namespace {

// Who a certificate is, for a sentence.
std::string who(const Result<Certificate>& certificate) {
  if (!certificate) return "certificate";
  if (!certificate->uri_sans().empty()) return "certificate of " + certificate->uri_sans().front();
  if (!certificate->subject().empty()) return "certificate of " + certificate->subject();
  return "certificate " + certificate->serial();
}

Result<openssl::Store> store_of(std::span<const Certificate> roots) {
  openssl::Store store(X509_STORE_new());
  if (!store) return openssl::error(Errc::Internal, "make certificate store");
  for (const Certificate& root : roots)
    if (X509_STORE_add_cert(store.get(), root.native()) != 1)
      return openssl::error(Errc::Internal, "add root");
  return store;
}

}  // namespace

Result<TrustBundle> TrustBundle::make(std::string trust_domain, std::vector<Certificate> roots) {
  MESH_TRY(const SpiffeId domain, SpiffeId::for_trust_domain(trust_domain));
  if (roots.empty()) return Error{Errc::Invalid, "trust bundle of " + domain.uri() + " is empty"};
  if (roots.size() > kRootsMax)
    return Error{Errc::TooBig, "trust bundle of " + domain.uri() + " has over 16 roots"};
  for (const Certificate& root : roots)
    if (!root.is_ca())
      return Error{Errc::Invalid, "trust bundle of " + domain.uri() + ": " + root.fingerprint() +
                                      " is not an issuing certificate (CA:TRUE)"};
  return TrustBundle(std::move(trust_domain), std::move(roots));
}

Result<SpiffeId> TrustBundle::verify(std::span<const Certificate> chain, WallTime now) const {
  if (chain.empty()) return Error{Errc::Refused, "peer presented no certificate"};
  MESH_TRY(const openssl::Store store, store_of(roots_));
  const openssl::CertificateStack others(sk_X509_new_null());
  if (!others) return openssl::error(Errc::Internal, "verify certificate");
  for (const Certificate& one : chain.subspan(1))
    if (sk_X509_push(others.get(), one.native()) <= 0)
      return openssl::error(Errc::Internal, "verify certificate");
  const openssl::StoreContext context(X509_STORE_CTX_new());
  if (!context ||
      X509_STORE_CTX_init(context.get(), store.get(), chain.front().native(), others.get()) != 1)
    return openssl::error(Errc::Internal, "verify certificate");
  X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(param, std::chrono::system_clock::to_time_t(now));
  X509_VERIFY_PARAM_set_depth(param, 8);
  X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
  const bool good = X509_verify_cert(context.get()) == 1;
  const int code = X509_STORE_CTX_get_error(context.get());
  ERR_clear_error();
  if (!good)
    return Error{Errc::Refused,
                 explain_verify_error(code, X509_STORE_CTX_get_current_cert(context.get()), now)};
  if (chain.front().is_ca())
    return Error{Errc::Refused, "peer showed an issuing certificate as its own"};
  auto id = chain.front().spiffe_id();
  if (!id) return Error{Errc::Refused, id.error().text};
  if (id->trust_domain() != trust_domain_ || id->path().empty())
    return Error{Errc::Refused, id->uri() + " is no workload of trust domain " + trust_domain_};
  return id;
}

std::string explain_verify_error(int error, x509_st* certificate, WallTime now) {
  if (certificate != nullptr) X509_up_ref(certificate);
  const Result<Certificate> about =
      certificate ? Certificate::adopt(certificate)
                  : Result<Certificate>(Error{Errc::NotFound, "no certificate"});
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      if (about)
        return who(about) + " expired " + text::format_age(now - about->not_after()) + " ago";
      return "certificate expired";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      if (about)
        return who(about) + " is not valid for another " +
               text::format_age(about->not_before() - now) + ": compare the clocks of both hosts";
      return "certificate is not yet valid";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE: return who(about) + " is signed by another CA";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return who(about) + " is signed by itself, not by our CA";
    case X509_V_ERR_INVALID_PURPOSE:
      return who(about) + " is not made for this use (extended key usage)";
    default: return who(about) + ": " + X509_verify_cert_error_string(error);
  }
}

}  // namespace mesh::identity
