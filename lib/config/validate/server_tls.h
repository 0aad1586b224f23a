// ServerTLSSettings, of a Gateway's server and of a Sidecar's ingress. Inside of
// lib/config/validate only.
#pragma once

#include <string>

#include "config/validate/validate.h"
#include "istio/networking/v1alpha3/gateway.pb.h"

namespace mesh::config {

// Of a server whose protocol is HTTPS or TLS.
void check_server_tls(const ::istio::networking::v1alpha3::ServerTLSSettings& tls,
                      const std::string& path, Checker& checker);

// Of an ingress listener, which Istio allows less: certificates in files, and it ends TLS.
void check_ingress_tls(const ::istio::networking::v1alpha3::ServerTLSSettings& tls,
                       const std::string& path, Checker& checker);

}  // namespace mesh::config
