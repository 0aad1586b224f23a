// Gateway API: HTTPRoutes and GRPCRoutes as VirtualServices, as Istio reads them
// (gateway-api.sigs.k8s.io, "HTTPRoute", "GRPCRoute"; "GAMMA" for parents that are services).
#pragma once

#include <vector>

#include "discovery/objects.h"
#include "k8s/gateway/v1/grpc_route.pb.h"
#include "k8s/gateway/v1/http_route.pb.h"

namespace mesh::discovery {

// Adds a VirtualService for each host that routes of a namespace have at a parent: all of
// their rules, the most exact match first. They come after those that are there, which go
// before them. Names of services that are short are completed where no ServiceEntry has
// them as they stand.
void add_gateway_api(const GatewayApiRoutes& routes, Objects& objects);

}  // namespace mesh::discovery
