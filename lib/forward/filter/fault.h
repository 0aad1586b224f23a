// Fault: delays and aborts on purpose, to test those who call.
//
// Envoy's HTTP fault filter, but below retries and timeouts: each try is drawn
// anew, an abort is retried where the policy says so, a delay counts against the
// timeouts.
#pragma once

#include <memory>

#include "forward/filter/filter.h"
#include "resilience/policy.h"

namespace mesh::forward::filter {

class Fault final : public Filter {
 public:
  // Null for a policy that never does anything.
  static std::shared_ptr<const Filter> make(const resilience::FaultPolicy& policy);

  explicit Fault(const resilience::FaultPolicy& policy) : Filter(kTry), policy_(policy) {}
  Verdict on_try(Context& context, Slot& slot) const override;

 private:
  const resilience::FaultPolicy policy_;
};

}  // namespace mesh::forward::filter
