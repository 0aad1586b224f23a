// filter_in_force: what a filter of a chain is for the requests of a route.
#pragma once

#include <memory>

#include "route/table.h"
#include "xds/values.h"

namespace mesh::xds {

// The route's own configuration of the filter, or the chain's; null: it is off. `route` may be
// null: there is none.
inline const route::FilterConfig* filter_in_force(const HttpFilter& filter,
                                                  const route::Route* route) {
  if (route != nullptr && route->filters != nullptr)
    for (const route::FilterOverride& override : *route->filters)
      if (override.name == filter.name)
        return override.disabled ? nullptr
                                 : (override.config ? override.config : filter.config).get();
  return filter.disabled ? nullptr : filter.config.get();
}

}  // namespace mesh::xds
