// CircuitBreaker: refuses the calls of an interface for a while when they go
// wrong (resilience/breaker.h), or has a fallback answer them.
//
// A call is judged as its client had it, after retries: by the final status, the
// response flags and the time to the response's head. What a client broke off,
// and what was never sent upstream, says nothing.
#pragma once

#include <memory>
#include <vector>

#include "forward/filter/filter.h"
#include "forward/filter/shared.h"
#include "resilience/breaker_rule.h"

namespace mesh::forward::filter {

class CircuitBreaker final : public Filter {
 public:
  // Null for no rules.
  static std::shared_ptr<const Filter> make(std::shared_ptr<const resilience::BreakerRules> rules,
                                            Shared& shared);

  CircuitBreaker(std::shared_ptr<const resilience::BreakerRules> rules, Shared& shared);
  Verdict on_request(Context& context, Slot& slot) const override;
  void on_end(const End& end, Instant now, Slot& slot) const override;

 private:
  Verdict refuse(Context& context, size_t index) const;

  const std::shared_ptr<const resilience::BreakerRules> rules_;
  std::vector<std::shared_ptr<NamedBreaker>> breakers_;  // as rules_
};

// How a call went, by a rule. Pure; for tests.
resilience::Breaker::Call judge(const resilience::BreakerRule& rule, const End& end);

}  // namespace mesh::forward::filter
