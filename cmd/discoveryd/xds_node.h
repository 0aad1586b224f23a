// An xDS client's node (envoy.config.core.v3.Node) as a watch of the bus has it.
//
// Its metadata has the names of xds/node.h, and "namespace", "workload", "labels" (an object
// of texts), "certificates", a directory on its host, or "sds", a cluster of its bootstrap that
// serves its secrets. What else stands there is passed over. gRPC's client has an outbound
// listener, of which it gets the routes alone (cmd/discoveryd/xds_proxyless.h).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "bus/watch.h"
#include "envoy/config/core/v3/core.pb.h"
#include "grpc/peer.h"

namespace mesh::discoveryd {

struct XdsNode {
  bus::Node words;
  std::string certificates;  // where its certificate, key and trust bundle are; or empty
  std::string sds;           // a cluster of its own that has them; or empty
  bool proxyless = false;    // gRPC's own client
};

// Errc::Invalid names the key.
Result<XdsNode> xds_node_of(const envoy::config::core::v3::Node& node);

// What a peer with a certificate may say it is: a workload of its own namespace, with its own
// service account. Empty words are filled in. Errc::Refused. Who comes by the Unix socket may
// say what it likes, as on the bus: the socket's mode says who may.
Result<void> bind_to_peer(const grpc::Peer& peer, std::string_view trust_domain, bus::Node& words);

}  // namespace mesh::discoveryd
