#include "identity/trust_bundle.h"

#include "base/text.h"
#include "identity/namespaces.h"
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

// A chain that was verified, and what its context views.
struct Verification {
  openssl::Store store;
  openssl::CertificateStack others;
  openssl::StoreContext context;  // ends first
};

Result<Verification> verify_chain(std::span<const Certificate> roots,
                                  std::span<const Certificate> chain, WallTime now) {
  if (chain.empty()) return Error{Errc::Refused, "peer presented no certificate"};
  Verification v;
  MESH_TRY(v.store, store_of(roots));
  v.others.reset(sk_X509_new_null());
  if (!v.others) return openssl::error(Errc::Internal, "verify certificate");
  for (const Certificate& one : chain.subspan(1))
    if (sk_X509_push(v.others.get(), one.native()) <= 0)
      return openssl::error(Errc::Internal, "verify certificate");
  v.context.reset(X509_STORE_CTX_new());
  if (!v.context || X509_STORE_CTX_init(v.context.get(), v.store.get(), chain.front().native(),
                                        v.others.get()) != 1)
    return openssl::error(Errc::Internal, "verify certificate");
  X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(v.context.get());
  X509_VERIFY_PARAM_set_time(param, std::chrono::system_clock::to_time_t(now));
  X509_VERIFY_PARAM_set_depth(param, 8);
  X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
  const bool good = X509_verify_cert(v.context.get()) == 1;
  const int code = X509_STORE_CTX_get_error(v.context.get());
  ERR_clear_error();
  if (!good)
    return Error{Errc::Refused,
                 explain_verify_error(code, X509_STORE_CTX_get_current_cert(v.context.get()), now)};
  return v;
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
  MESH_TRY(const Verification verified, verify_chain(roots_, chain, now));
  if (chain.front().is_ca())
    return Error{Errc::Refused, "peer showed an issuing certificate as its own"};
  auto id = chain.front().spiffe_id();
  if (!id) return Error{Errc::Refused, id.error().text};
  if (id->trust_domain() != trust_domain_ || id->path().empty())
    return Error{Errc::Refused, id->uri() + " is no workload of trust domain " + trust_domain_};
  MESH_TRY_VOID(check_bounds(verified.context.get(), *id));
  return id;
}

Result<void> TrustBundle::verify_issuer(std::span<const Certificate> chain, WallTime now) const {
  MESH_TRY_VOID(verify_chain(roots_, chain, now));
  const Certificate& issuer = chain.front();
  const auto id = issuer.spiffe_id();
  if (!issuer.is_ca() || !id || !id->path().empty())
    return Error{Errc::Refused, "it is no issuing certificate"};
  if (id->trust_domain() != trust_domain_)
    return Error{Errc::Refused,
                 "it is an issuer of " + id->uri() + ", not of trust domain " + trust_domain_};
  return {};
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
