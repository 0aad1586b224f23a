// What a peer may send certd, or show in TLS: certificate requests,
// certificates, keys and names, from any bytes. Nothing crashes; what is taken
// reads back as it was.
//
// modules: identity base
// libraries: crypto

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "identity/certificate.h"
#include "identity/csr.h"
#include "identity/spiffe_id.h"

using namespace mesh;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto csr = identity::Csr::parse(bytes); csr && csr->der() != bytes) abort();
  if (const auto one = identity::Certificate::from_der(bytes)) {
    if (one->der() != bytes) abort();
    if (const auto id = one->spiffe_id(); id && id->uri() != one->uri_sans().front()) abort();
  }
  if (const auto key = identity::PublicKey::from_der(bytes); key && key->fingerprint().size() != 64)
    abort();
  if (const auto id = identity::SpiffeId::parse(bytes)) {
    if (id->uri() != bytes || bytes.size() > 2048) abort();
    if (const auto workload = id->workload()) {
      const auto again = identity::SpiffeId::for_workload(id->trust_domain(), workload->ns,
                                                          workload->service_account);
      if (!again || *again != *id) abort();
    }
  }
  static_cast<void>(identity::certificates_from_pem(bytes));
  return 0;
}
