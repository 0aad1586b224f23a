// A Gateway server's TLS settings as a transport socket. Inside of lib/discovery/compile
// only.
#pragma once

#include <string_view>

#include "discovery/objects.h"
#include "envoy/config/core/v3/core.pb.h"

namespace mesh::discovery {

// Of a mode that ends TLS: SIMPLE, MUTUAL, OPTIONAL_MUTUAL, ISTIO_MUTUAL. Certificates are
// named by their files; `http` offers h2 and http/1.1.
void set_gateway_tls(std::string_view trust_domain, const istio::ServerTLSSettings& settings,
                     bool http, envoy::config::core::v3::TransportSocket& into);

}  // namespace mesh::discovery
