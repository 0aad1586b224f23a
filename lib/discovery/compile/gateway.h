// Gateways: listeners at the edge of the mesh, and the routes of the VirtualServices that
// are bound to them. Inside of lib/discovery/compile only.
//
// A Gateway holds for the forwarders whose labels its selector names (Istio, "Gateway").
// Servers at one address and port share a listener: plain HTTP ones share its routes, those
// with TLS are told apart by server name. Of what cannot stand together the first by
// namespace, name and place in the list is there; `mesh analyze` names the others.
#pragma once

#include <string>
#include <vector>

#include "discovery/compile/build.h"
#include "envoy/config/route/v3/route.pb.h"

namespace mesh::discovery {

// "gateway|ADDRESS|PORT" for each place.
std::vector<Resource> compile_gateway_listeners(const Model& model, const Node& node);

// "http.PORT" for plain servers, "https.PORT.PORTNAME.GATEWAY.NAMESPACE" for each with TLS, as
// Istio names them; with a bind of its own, ".BIND" behind it.
std::vector<Resource> compile_gateway_routes(const Model& model, const Node& node);

// Whether `gateways`, written in an object of namespace `ns`, has this one,
// NAMESPACE/NAME; "mesh" are the forwarders beside workloads.
template <class Gateways>
bool names_gateway(const Gateways& gateways, const std::string& ns, const std::string& gateway) {
  for (const auto& name : gateways)
    if (name == gateway || (name != "mesh" && ns + "/" + name == gateway)) return true;
  return false;
}

// routes.cc: the routes of the VirtualService for requests to `port` of a gateway,
// NAMESPACE/NAME, at the end of those that the host has. `tls`: they come by TLS.
void add_gateway_host_routes(const Model& model, const Node& node,
                             const Object<istio::VirtualService>& object, uint32_t port,
                             const std::string& gateway, bool tls,
                             envoy::config::route::v3::VirtualHost& host);

}  // namespace mesh::discovery
