// Pipeline: the filters of a chain, and for each of its routes those in force.
//
// A Plan is made once for the chain and once for each set of overrides that its
// routes have, when the snapshot is built: on a request's path it is only looked
// up. Const from then on. Any thread.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "forward/filter/filter.h"
#include "route/table.h"
#include "xds/values.h"

namespace mesh::forward::filter {

class Shared;

// The filters of one exchange, in order.
struct Plan {
  std::vector<std::shared_ptr<const Filter>> filters;
  std::vector<uint8_t> places;  // of each in the chain's configuration
  unsigned hooks = 0;           // of all of them
};

class Pipeline {
 public:
  // `routes` may be null. `scope` names what the chain belongs to, so that limits
  // of several chains of a listener are one. Errc::Invalid names the filter, and where a route
  // overrides one filter with the configuration of another. Main thread;
  // `shared` outlives it.
  static Result<Pipeline> build(const std::vector<xds::HttpFilter>& filters,
                                const route::Table* routes, const std::string& scope,
                                Shared& shared);

  // Null where no filter has anything to do. `overrides` belongs to the routes
  // that it was built with.
  const Plan* plan(const route::FilterOverrides* overrides) const {
    return overrides == nullptr ? chain_.get() : of_route(overrides);
  }
  // Whether a filter may have the route found anew, and that may be another then.
  bool reroutes() const { return reroutes_; }

 private:
  const Plan* of_route(const route::FilterOverrides* overrides) const;

  std::shared_ptr<const Plan> chain_;
  std::unordered_map<const route::FilterOverrides*, std::shared_ptr<const Plan>> routes_;
  bool reroutes_ = false;
};

// Makes the filter that `config` describes; null where it would do nothing. `key`
// says which one it is, for what it shares with others of that key. Errc::Invalid
// where the forwarder has no such filter. Main thread.
Result<std::shared_ptr<const Filter>> make(const std::shared_ptr<const route::FilterConfig>& config,
                                           const std::string& key, Shared& shared);

}  // namespace mesh::forward::filter
