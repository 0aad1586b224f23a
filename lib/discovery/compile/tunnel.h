// Tunnels outward: relayed connections that go through a proxy, as a DestinationRule says.
// Inside of lib/discovery/compile only.
#pragma once

#include <string>

#include "discovery/compile/build.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"

namespace mesh::discovery {

// For the node's connections to the service, null where there is none, and this subset of it.
// Istio: a subset has its own tunnel or none; several destinations have that of the rule.
void set_tunnel(const Model& model, const Node& node, const Service* service,
                const std::string& subset,
                envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy& proxy);

}  // namespace mesh::discovery
