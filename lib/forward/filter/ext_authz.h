// ExtAuthz: an authorizer outside decides whether a request may be.
//
// Envoy's filter of that name. The filter says who is asked; the exchange waits (check.h).
#pragma once

#include <memory>

#include "authz/ext_authz.h"
#include "forward/filter/filter.h"
#include "forward/filter/sharded_counts.h"

namespace mesh::forward::filter {

// What all workers and configurations share of one filter.
struct ExtAuthzCounts {
  enum Which : size_t { Ok, Denied, Error, Disabled, FailureModeAllowed, Invalid, kCount };
  ShardedCounts<kCount> counts;
};

// Whom to ask, and where what became of it is counted. Of a filter, as long as it lives.
struct Ask {
  std::shared_ptr<const authz::ExtAuthz> config;
  std::shared_ptr<ExtAuthzCounts> counts;
};

class ExtAuthzFilter final : public Filter {
 public:
  // Null where nobody is asked. `config` holds an authz::ExtAuthz.
  static std::shared_ptr<const Filter> make(std::shared_ptr<const authz::ExtAuthz> config,
                                            std::shared_ptr<ExtAuthzCounts> counts);

  ExtAuthzFilter(Ask ask, unsigned used) : Filter(used), ask_(std::move(ask)) {}

  Verdict on_request(Context& context, Slot& slot) const override;

 private:
  const Ask ask_;
};

}  // namespace mesh::forward::filter
