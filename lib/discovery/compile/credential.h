// What a credentialName names: files in a directory of the forwarder's host, in the layout of
// a Kubernetes secret: NAME/tls.crt, NAME/tls.key, NAME/ca.crt. Inside of
// lib/discovery/compile only.
#pragma once

#include "discovery/model.h"

namespace mesh::discovery {

// The settings with the node's files in the place of the names.
istio::ServerTLSSettings with_files(const Node& node, istio::ServerTLSSettings settings);
istio::ClientTLSSettings with_files(const Node& node, istio::ClientTLSSettings settings);

}  // namespace mesh::discovery
