// What gRPC's own xDS clients get ("proxyless" services): the resources of a forwarder, in the
// parts and the form that gRPC takes (gRFC A27, A28, A29, A31 and those after them), as Istio's
// generator "grpc" does.
//
// A client asks for a listener by the host and port that its channel names, xds:///reviews:80,
// and gets one with the routes of that host in it. gRPC has no secrets and no choice of TLS by
// endpoint: a cluster is in clear text unless a DestinationRule says ISTIO_MUTUAL, and then of
// the certificate provider "default" of the client's bootstrap.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "discovery/compile/compile.h"
#include "envoy/config/core/v3/core.pb.h"

namespace mesh::discoveryd {

// By what it calls itself: "gRPC Go", "gRPC C-core", "gRPC Java".
bool is_proxyless(const envoy::config::core::v3::Node& node);

// A cluster or the endpoints of one as gRPC takes them; another type comes back as it is. `body`
// is a resource of ours.
std::string for_grpc(std::string_view type_url, const std::string& body);

// The listeners of the hosts that `wanted` says, by name: "reviews", "reviews:80". `routes` is
// the route configuration "outbound" of a node.
std::map<std::string, discovery::Resource> grpc_listeners(
    const std::string& routes, const std::function<bool(const std::string&)>& wanted);

}  // namespace mesh::discoveryd
