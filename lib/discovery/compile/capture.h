// Connections that the kernel redirects to a forwarder, as Istio compiles them: the virtual
// listeners and the clusters of what no service has. Inside of lib/discovery/compile only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "discovery/compile/access_log.h"
#include "discovery/compile/build.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"

namespace mesh::discovery {

inline constexpr const char* kPassthrough = "PassthroughCluster";
inline constexpr const char* kBlackHole = "BlackHoleCluster";
inline constexpr const char* kInboundPassthrough = "InboundPassthroughCluster";

// outboundTrafficPolicy: of the node's Sidecar, else of the mesh, else ALLOW_ANY.
bool allows_any(const Model& model, const Node& node);
// Its egressProxy, the host completed; null: it has none.
std::optional<istio::Destination> egress_proxy(const Model& model, const Node& node);
// The cluster that connections to nobody's address are given, and requests to nobody's host
// where any are allowed.
std::string unknown_cluster(const Model& model, const Node& node);

// How long a client may keep silent where its protocol is not declared.
Duration detection_timeout(const Model& model);

// "0.0.0.0" or "::", as the captured listener has it; and what stands for "all ports" there.
std::string any_address(const Node::Capture& capture);
uint32_t capture_port(const Node::Capture& capture);

// "virtualOutbound", where captured outbound connections come in. Those of services go on at
// the listeners of compile_captured_listeners().
Resource virtual_outbound(const Model& model, const Node& node);

// The listener filter original_dst, and what the capture's mode needs.
void set_capture(const Node::Capture& capture, envoy::config::listener::v3::Listener& listener);

// A filter that relays to the cluster.
void add_relay(const Model& model, const Node& node, Direction direction,
               const std::string& cluster, envoy::config::listener::v3::FilterChain& chain);
// A chain for connections to our own port, which lead nowhere.
void add_black_hole(const Model& model, const Node& node, Direction direction,
                    const std::string& name, envoy::config::listener::v3::Listener& listener);

// PassthroughCluster and BlackHoleCluster, InboundPassthroughCluster: as the node captures.
std::vector<Resource> compile_capture_clusters(const Node& node);

// Makes it a cluster whose connections go where they were going; from 127.0.0.6, as Istio's,
// where IPv4 alone is captured.
void set_inbound_original(const Node::Capture& capture,
                          envoy::config::cluster::v3::Cluster& cluster);

}  // namespace mesh::discovery
