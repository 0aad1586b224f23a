// Compile: a model and a node in, xDS resources out.
//
// Pure and deterministic: the same model gives the same bytes, so that a
// resource's version, the hash of its bytes, changes only when the resource
// does. One file a resource type. What is compiled is accepted by a stock
// Envoy (tests/interop/envoy_validate.bats) and by lib/xds.
//
// One difference in meaning: Istio, through Envoy, injects a fault before
// retries are considered, once a request; our forwarder injects it below them,
// once a try. The resources are the same (HTTPFault per route).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "discovery/compile/route_parts.h"
#include "discovery/model.h"

namespace mesh::discovery {

struct Resource {
  std::string name;
  std::string version;  // hash of the body alone
  std::shared_ptr<const std::string> body;
};

// "outbound|80|v1|reviews"; the subset may be empty.
std::string outbound_name(uint32_t port, std::string_view subset, std::string_view host);

// The node's listeners: "outbound" where it has an outbound address, those of egress.h, tcp.h and
// capture.h, "gateway|ADDRESS|PORT" for each place of the Gateways that select it, and
// "inbound|ADDRESS|PORT" for each port of its workload that is not captured.
std::vector<Resource> compile_listeners(const Model& model, const Node& node);
// The two parts of that: what goes out, gateways among it, and what comes to the workload.
std::vector<Resource> compile_outbound_listeners(const Model& model, const Node& node);
std::vector<Resource> compile_inbound_listeners(const Model& model, const Node& node);

// The route configuration "outbound": a virtual host for each HTTP port of each visible service,
// and for each host that only a VirtualService names; where it captures, PORT of each port. Those
// of egress.h, and of gateways, "http.PORT" and "https.PORT.PORTNAME.GATEWAY.NAMESPACE".
std::vector<Resource> compile_routes(const Model& model, const Node& node);
// The same bytes from what is kept of services' virtual hosts, which is made where it is not
// there or does not fit any more.
std::vector<Resource> compile_routes(const Model& model, const Node& node,
                                     const RoutePartsOf& kept);

// "outbound|PORT|SUBSET|HOST" for each port and subset of each visible service,
// "inbound|PORT||" for each port of the node's workload; where it captures, those of capture.h.
std::vector<Resource> compile_clusters(const Model& model, const Node& node);
// The two parts of that: of one service, and of the workload and what it captures.
std::vector<Resource> compile_service_clusters(const Model& model, const Service& service,
                                               const Node& node);
std::vector<Resource> compile_inbound_clusters(const Model& model, const Node& node);

// The endpoints of a service's outbound clusters, as the node sees its subsets and
// how far they are:
// one resource a port and subset. Absent and draining instances are left out.
std::vector<Resource> compile_endpoints(const Model& model, const Service& service,
                                        const Node& node);

}  // namespace mesh::discovery
