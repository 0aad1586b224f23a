// Building blocks of the compilers. Inside of lib/discovery/compile only.
#pragma once

#include <google/protobuf/any.pb.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/message.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "discovery/compile/compile.h"
#include "envoy/config/core/v3/core.pb.h"

namespace mesh::discovery {

// Both of bytes that depend on the content alone (xds/serialize.h).
void pack(const google::protobuf::Message& message, google::protobuf::Any& into);
Resource resource(std::string name, const google::protobuf::Message& message);
Resource resource(std::string name, std::string body);

void set(Duration duration, google::protobuf::Duration& into);

// "ADDRESS:PORT", "[::1]:PORT", a path, or unix:///PATH.
void set_address(std::string_view text, envoy::config::core::v3::Address& into);
void set_address(std::string_view ip, uint32_t port, envoy::config::core::v3::Address& into);

// Resources come by the one stream.
void set_ads(envoy::config::core::v3::ConfigSource& source);

// Whether requests to the port are routed: HTTP is its protocol, or none is declared.
inline bool may_be_http(const Port& port) { return is_http(port.protocol) || !port.declared; }

// A port of the node's own workload that peers may call.
struct InboundPort {
  std::string bind;   // the address that is listened on
  uint32_t port = 0;  // and its port
  // Where requests go: ADDRESS:PORT or unix:///PATH; empty: where they were going, captured.
  std::string application;
  bool http = true;
  bool http2 = false;     // the application speaks HTTP/2 only
  bool declared = true;   // else `http` is false, and the first bytes tell
  bool captured = false;  // part of "virtualInbound"; else a listener is bound
  std::string origin;     // what says so, as provenance.h has it
  // Of the node's Sidecar; null: it has none. They live as long as the model's objects.
  const istio::ConnectionPoolSettings* pool = nullptr;
  const istio::ServerTLSSettings* tls = nullptr;
};
std::vector<InboundPort> inbound_ports(const Model& model, const Node& node);
std::string inbound_name(const InboundPort& port);  // of the cluster

// Where a destination of an object of `ns` leads, for calls of `port`: to the port
// it names, else to the only one, else to the one that was called (Istio).
std::string destination_cluster(const Model& model, const istio::Destination& destination,
                                const std::string& ns, uint32_t port);

// TLS towards a peer of the mesh: our certificate, the bundle and names. Without ALPN each
// connection offers what it is for: requests their protocol (Envoy, and our own forwarder),
// relayed bytes nothing, as nobody knows what they are.
void set_peer_tls(const std::vector<std::string>& exact_uris, std::string_view sni,
                  envoy::config::core::v3::TransportSocket& into);
void set_own_tls(std::string_view trust_domain, bool http,
                 envoy::config::core::v3::TransportSocket& into);
void set_raw_buffer(envoy::config::core::v3::TransportSocket& into);

// ClusterLoadAssignments of a service's outbound clusters, whatever its resolution.
std::vector<Resource> assignments_of(const Model& model, const Service& service, const Node& node);

// Whether peers reach the workload's port under mutual TLS.
bool speaks_tls(const Model& model, const Service& service, const Instance& instance);

}  // namespace mesh::discovery
