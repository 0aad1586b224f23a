// Namespaces: the bound of an issuing certificate to the workloads of some
// namespaces, which X.509's name constraints cannot say (they know the host part
// of a URI only, RFC 5280 section 4.2.1.10).
//
// An extension of our own, 2.25.218235577990464234782237187483956003356 (X.667),
// not critical: one UTF8String, the names with commas. The signing host writes it,
// this host's certd obeys it, and every verifier of ours checks it on each issuer
// of a chain. A verifier that does not know it sees the trust domain as the bound.
// For lib/identity and lib/tls. Any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "identity/certificate.h"
#include "identity/openssl.h"
#include "identity/spiffe_id.h"

namespace mesh::identity {

inline constexpr size_t kNamespacesMax = 64;

// Null for no bound. Errc::Invalid where a name is no namespace, or over 64.
Result<openssl::Extension> namespaces_extension(const std::vector<std::string>& namespaces);

// What the certificate has of it. Errc::Invalid where it cannot be read: such an
// issuer is not to be trusted.
Result<std::optional<std::vector<std::string>>> read_namespaces(const X509* x509);

// Whether the issuing certificate's bound admits the identity.
bool may_name(const Certificate& issuer, const SpiffeId& id);

// Whether all issuers of a verified chain admit its leaf's identity: Errc::Refused
// with one sentence. `context` has been verified.
Result<void> check_bounds(X509_STORE_CTX* context, const SpiffeId& id);

}  // namespace mesh::identity
