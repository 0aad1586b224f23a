// HTTP filters of our own kinds: which chains have them, and what routes say.
// Inside of lib/discovery/compile only.
#pragma once

#include "discovery/model.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"

namespace mesh::discovery {

using HttpManager =
    envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;

// listeners.cc: for calls that the node makes, which may name hosts that it has not asked for,
// and for those through its gateways; without routes.
HttpManager outbound_manager(const Model& model, const Node& node, std::string stat_prefix);
HttpManager gateway_manager(const Model& model, const Node& node, std::string stat_prefix);

// Adds what the node's calls need, before the router is added: a filter that
// nothing is configured for is not there, so that others do not have to know it.
void add_outbound_filters(const Model& model, const Node& node, HttpManager& manager);

// The same for calls of the node's own services: their RateLimits.
void add_inbound_filters(const Model& model, const Node& node, HttpManager& manager);

// What the CircuitBreakers for calls of the node to the service say: at the virtual
// host, and at those of its routes that a match names. Call it when the host has
// its routes.
void set_circuit_breakers(const Model& model, const Node& node, const Service& service,
                          uint32_t port, envoy::config::route::v3::VirtualHost& host);

}  // namespace mesh::discovery
