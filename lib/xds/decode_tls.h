// TLS contexts and secrets. Inside of lib/xds only.
#pragma once

#include <string>
#include <string_view>

#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "xds/decode_common.h"

namespace mesh::xds {

// `secrets` null (a watch's resource): of certificates in place only files are
// taken, by the names that Istio's agent has for them, "file-cert:CHAIN~KEY" and
// "file-root:CA". Otherwise they become secrets named after `owner`, which is unique
// among contexts.
struct TlsOwner {
  std::string name;
  Secrets* secrets = nullptr;
};

Result<TlsContext> decode_downstream_tls(
    const envoy::extensions::transport_sockets::tls::v3::DownstreamTlsContext& context,
    std::string_view path, const TlsOwner& owner);

Result<TlsContext> decode_upstream_tls(
    const envoy::extensions::transport_sockets::tls::v3::UpstreamTlsContext& context,
    std::string_view path, const TlsOwner& owner);

Result<Secret> decode_secret(const envoy::extensions::transport_sockets::tls::v3::Secret& secret,
                             std::string_view path);

}  // namespace mesh::xds
