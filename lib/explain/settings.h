// Settings: what holds for a request by its route and chain, and who set it.
#pragma once

#include "explain/held.h"
#include "mesh/explain.pb.h"
#include "route/route.h"
#include "xds/values.h"

namespace mesh::explain {

// Which route it is, for its origins.
struct RoutePlace {
  std::string table;
  size_t host = 0;
  size_t route = 0;
};

// Timeouts, retries, faults, rewriting, mirrors, headers: those of the forwarder
// (RequestOptions), in words.
void add_settings(const Held& held, const RoutePlace& place, const route::Route& route,
                  const xds::FilterChain& chain, v1::Route& into);

}  // namespace mesh::explain
