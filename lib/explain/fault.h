// Fault: what the forwarder does to a call on purpose, by the odds that it draws.
#pragma once

#include <string>

#include "explain/held.h"
#include "explain/settings.h"
#include "mesh/explain.pb.h"
#include "route/fault_rules.h"
#include "xds/values.h"

namespace mesh::explain {

// Of the route's own override, or of the chain where there is none; null: none does anything.
const route::FaultRules* faults_of(const route::Route& route, const xds::FilterChain& chain);

// What is to be said of the hop's fault.
struct FaultWords {
  // Not 0: every such request is answered with it, and why.
  uint16_t status = 0;
  std::string details = {};
  std::string text = {};     // "50% of such requests: 503 by fault"; empty: there is none
  std::string unknown = {};  // what it leaves open; empty: nothing
};

// Sets `hop.fault` where one is for the request.
FaultWords add_fault(const Held& held, const RoutePlace& place, const route::Route& route,
                     const xds::FilterChain& chain, const route::Request& request, v1::Hop& hop);

}  // namespace mesh::explain
