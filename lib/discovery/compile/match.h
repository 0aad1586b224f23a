// A VirtualService's match and policies as parts of an Envoy route. Inside of
// lib/discovery/compile only.
#pragma once

#include "discovery/objects.h"
#include "envoy/config/route/v3/route.pb.h"

namespace mesh::discovery {

void set_match(const istio::HTTPMatchRequest& match, envoy::config::route::v3::RouteMatch& into);

// Whether the route takes every request, so that none after it is reached.
bool takes_all(const envoy::config::route::v3::RouteMatch& match);

// Istio's default: two more tries where the first can have had no effect.
void set_default_retries(envoy::config::route::v3::RouteAction& action);
void set_retries(const istio::HTTPRetry& retries, envoy::config::route::v3::RouteAction& action);

// HTTPFault as the route's typed_per_filter_config.
void set_fault(const istio::HTTPFaultInjection& fault, envoy::config::route::v3::Route& route);

// Header edits; "host" and ":authority" set become a rewrite of the host.
void set_headers(const istio::Headers& headers, envoy::config::route::v3::Route& route);

}  // namespace mesh::discovery
