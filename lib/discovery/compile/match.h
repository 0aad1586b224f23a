// A VirtualService's match and policies as parts of an Envoy route. Inside of
// lib/discovery/compile only.
#pragma once

#include "discovery/model.h"
#include "envoy/config/route/v3/route.pb.h"

namespace mesh::discovery {

void set_match(const istio::HTTPMatchRequest& match, envoy::config::route::v3::RouteMatch& into);

// Whether the match is for this forwarder at all: its gateways, source labels and source
// namespace are decided here, where Istio decides them.
bool is_for(const istio::HTTPMatchRequest& match, const Node& node);
// The same but for its gateways.
bool is_for_caller(const istio::HTTPMatchRequest& match, const Node& node);

// Whether the route takes every request, so that none after it is reached.
bool takes_all(const envoy::config::route::v3::RouteMatch& match);

// Istio's default: two more tries where the first can have had no effect.
void set_default_retries(envoy::config::route::v3::RouteAction& action);
void set_retries(const istio::HTTPRetry& retries, envoy::config::route::v3::RouteAction& action);

// HTTPFault as the route's typed_per_filter_config. Without a percentage it meets no request
// (Istio, HTTPFaultInjection).
void set_fault(const istio::HTTPFaultInjection& fault, envoy::config::route::v3::Route& route);

// Header edits; those of "host" and ":authority" become a rewrite of the host, unless the
// route has one. Values keep their command operators.
void set_headers(const istio::Headers& headers, envoy::config::route::v3::Route& route);
void set_headers(const istio::Headers& headers,
                 envoy::config::route::v3::WeightedCluster::ClusterWeight& cluster);

// `port` is the one that was called, `tls` how.
void set_redirect(const istio::HTTPRedirect& redirect, uint32_t port, bool tls,
                  envoy::config::route::v3::RedirectAction& into);

// CorsPolicy as the route's typed_per_filter_config.
void set_cors(const istio::CorsPolicy& policy, envoy::config::route::v3::Route& route);

// A share of the requests.
void set_share(double percent, envoy::type::v3::FractionalPercent& into);

void set_text(const istio::StringMatch& match, envoy::type::matcher::v3::StringMatcher& into);

}  // namespace mesh::discovery
