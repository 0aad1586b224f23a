// Fault: delays and aborts on purpose, to test those who call.
//
// Envoy's HTTP fault filter, but below retries and timeouts: each try is drawn
// anew, an abort is retried where the policy says so, a delay counts against the
// timeouts.
#pragma once

#include <atomic>
#include <memory>

#include "forward/filter/filter.h"
#include "route/fault_rules.h"

namespace mesh::forward::filter {

class Fault final : public Filter {
 public:
  // Null for a policy that never does anything. `config` holds a FaultRules.
  static std::shared_ptr<const Filter> make(std::shared_ptr<const route::FilterConfig> config);

  Fault(std::shared_ptr<const route::FilterConfig> config, const route::FaultRules& rules)
      : Filter(rules.max_active ? kTry | kEnd : kTry), config_(std::move(config)), rules_(rules) {}
  Verdict on_try(Context& context, Slot& slot) const override;
  void on_end(const End& end, Instant now, Slot& slot) const override;

 private:
  const std::shared_ptr<const route::FilterConfig> config_;  // what rules_ is in
  const route::FaultRules& rules_;
  // Requests that are under a fault, of all workers; counted where there is a limit. As
  // in Envoy, of this filter alone.
  mutable std::atomic<uint32_t> active_{0};
};

}  // namespace mesh::forward::filter
