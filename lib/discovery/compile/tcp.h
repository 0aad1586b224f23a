// Outbound TCP: listeners for services whose ports are not HTTP, and the routes of
// VirtualServices (tcp, tls) among them. Inside of lib/discovery/compile only.
#pragma once

#include <vector>

#include "discovery/compile/build.h"

namespace mesh::discovery {

// "outbound|ADDRESS|PORT" for each address and port that a plain host can listen
// on for a service: its own addresses within 127.0.0.0/8, else the node's
// `outbound_tcp`. There TLS ports share a listener and are told apart by SNI; of
// several other services at one port the first by host has it. None where the node
// has no `outbound_tcp`: several forwarders of a host cannot have the same address.
std::vector<Resource> compile_tcp_listeners(const Model& model, const Node& node);

}  // namespace mesh::discovery
