// Rules of the Gateway API's routes as those of a VirtualService. Inside of lib/discovery
// only.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "discovery/gateway_api.h"

namespace mesh::discovery {

// A host as it is written in the namespace, as VirtualServices name it.
using ResolveHost = std::function<std::string(const std::string& host, const std::string& ns)>;

// One match of a rule, and what makes it come before others.
struct GatewayApiRule {
  // Istio's: exact paths, then prefixes, then regexes; the longer first; with a method; more
  // headers; more parameters.
  struct Rank {
    int path = 0;
    size_t length = 0;
    bool method = false;
    int headers = 0;
    int params = 0;
    auto operator<=>(const Rank&) const = default;
  } rank;
  std::vector<istio::HTTPRoute> routes;  // of a prefix that is replaced two
  RuleOrigin origin;
};

std::vector<GatewayApiRule> rules_of(const Object<gateway_api::HTTPRoute>& route,
                                     const ResolveHost& resolve);
std::vector<GatewayApiRule> rules_of(const Object<gateway_api::GRPCRoute>& route,
                                     const ResolveHost& resolve);

}  // namespace mesh::discovery
