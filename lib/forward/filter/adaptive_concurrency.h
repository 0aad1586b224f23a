// AdaptiveConcurrency: refuses what is over the number of requests that may be
// under way at once, as latency tells (resilience/adaptive_limit.h): 503, flag UO,
// details reached_concurrency_limit.
//
// Envoy's filter of that name. Latencies are of whole requests; those that the
// client broke off do not count.
#pragma once

#include <memory>

#include "forward/filter/filter.h"
#include "resilience/adaptive_rule.h"

namespace mesh::forward::filter {

class AdaptiveConcurrency final : public Filter {
 public:
  // Null where it is not enabled.
  static std::shared_ptr<const Filter> make(const resilience::AdaptiveRule& rule,
                                            std::shared_ptr<resilience::AdaptiveLimit> limit);

  AdaptiveConcurrency(const resilience::AdaptiveRule& rule,
                      std::shared_ptr<resilience::AdaptiveLimit> limit)
      : Filter(kRequest | kEnd), rule_(rule), limit_(std::move(limit)) {}

  Verdict on_request(Context& context, Slot& slot) const override;
  void on_end(const End& end, Instant now, Slot& slot) const override;

 private:
  const resilience::AdaptiveRule rule_;
  const std::shared_ptr<resilience::AdaptiveLimit> limit_;
};

}  // namespace mesh::forward::filter
