// Outbound TCP: listeners for services whose ports are not HTTP, and the routes of
// VirtualServices (tcp, tls) among them. Inside of lib/discovery/compile only.
#pragma once

#include <vector>

#include "discovery/compile/build.h"
#include "discovery/compile/egress.h"

namespace mesh::discovery {

// "outbound|ADDRESS|PORT" for each address and port that a plain host can listen
// on for a service: its own addresses within 127.0.0.0/8, else the node's
// `outbound_tcp`. There TLS ports share a listener and are told apart by SNI; of
// several other services at one port the first by host has it. None where the node
// has no `outbound_tcp`: several forwarders of a host cannot have the same address.
std::vector<Resource> compile_tcp_listeners(const Model& model, const Node& node);

// Where the node captures: "virtualOutbound", and behind it, not bound, "ADDRESS_PORT" for each
// address of a TCP service and "0.0.0.0_PORT" for the ports of HTTP services, for ranges of
// addresses and for services without addresses. What is none of these goes as
// outboundTrafficPolicy says.
std::vector<Resource> compile_captured_listeners(const Model& model, const Node& node);

// Of a Sidecar, where it is not HTTP alone: the first of its services, and by SNI those that
// speak TLS.
std::vector<Resource> compile_egress_tcp_listener(const Model& model, const Node& node,
                                                  const EgressListener& egress);

}  // namespace mesh::discovery
