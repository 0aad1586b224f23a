// Gateway API: HTTPRoutes and GRPCRoutes as VirtualServices, as Istio reads them
// (gateway-api.sigs.k8s.io, "HTTPRoute", "GRPCRoute"; "GAMMA" for parents that are services).
#pragma once

#include <vector>

#include "discovery/objects.h"
#include "k8s/gateway/v1/grpc_route.pb.h"
#include "k8s/gateway/v1/http_route.pb.h"

namespace mesh::discovery {

// Adds VirtualServices for each host that routes have at a parent, of a Gateway those of all
// namespaces, of a Service each namespace's own: all of their rules, the most exact match
// first, then by namespace and name of the route (Gateway API, "HTTPRouteRule: matches"; there
// are no times of creation here). They come after those that are there, which go before
// them. Names of services that are short are completed where no ServiceEntry has
// them as they stand.
void add_gateway_api(const GatewayApiRoutes& routes, Objects& objects);

}  // namespace mesh::discovery
