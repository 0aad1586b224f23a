// OnDemand: the filter that lets requests wait for hosts that are not known yet, as a value.
#pragma once

#include <string_view>

namespace mesh::route {

struct OnDemand {
  static constexpr std::string_view kType = "envoy.extensions.filters.http.on_demand.v3.OnDemand";
};

}  // namespace mesh::route
