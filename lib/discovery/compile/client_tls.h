// trafficPolicy.tls of a DestinationRule where it is not the mesh's own: SIMPLE and MUTUAL; and
// the PROXY protocol around it. Inside of lib/discovery/compile only.
#pragma once

#include <string>
#include <vector>

#include "discovery/model.h"
#include "envoy/config/core/v3/core.pb.h"

namespace mesh::discovery {

// SIMPLE or MUTUAL. Files are named, the forwarder reads them. Without names in `settings` the
// server shows one of the ServiceEntry's, else the service's host; without sni the host is it
// (Istio takes the request's Host, which is the same but where a client says otherwise). No
// caCertificates: those of the system. `alpn` is what all connections offer; empty: each
// what it speaks.
void set_client_tls(const istio::ClientTLSSettings& settings, const Service& service,
                    const std::vector<std::string>& alpn,
                    envoy::config::core::v3::TransportSocket& into);

// Puts the PROXY protocol before the socket; one that is not set is clear text.
void add_proxy_protocol(const istio::TrafficPolicy::ProxyProtocol& settings,
                        envoy::config::core::v3::TransportSocket& socket);

}  // namespace mesh::discovery
