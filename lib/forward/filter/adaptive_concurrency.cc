#include "forward/filter/adaptive_concurrency.h"

namespace mesh::forward::filter {

using telemetry::Flag;

std::shared_ptr<const Filter> AdaptiveConcurrency::make(
    const resilience::AdaptiveRule& rule, std::shared_ptr<resilience::AdaptiveLimit> limit) {
  if (!rule.enabled) return nullptr;
  return std::make_shared<const AdaptiveConcurrency>(rule, std::move(limit));
}

// slot[0]: it counts as under way; slot[1]: chance for the end.
Verdict AdaptiveConcurrency::on_request(Context& context, Slot& slot) const {
  if (limit_->begin(rule_.policy, context.now, context.random)) {
    slot = {1, context.random.next()};
    return {};
  }
  Verdict verdict;
  verdict.status = rule_.status;
  verdict.flags = Flag::UpstreamOverflow;
  verdict.details = "reached_concurrency_limit";
  verdict.body = "reached concurrency limit";
  return verdict;
}

void AdaptiveConcurrency::on_end(const End& end, Instant now, Slot& slot) const {
  if (slot[0] == 0) return;
  if (!end.asked || end.flags.has(Flag::DownstreamConnectionTermination)) return limit_->cancel();
  Random random(slot[1]);
  limit_->end(rule_.policy, end.duration, now, random);
}

}  // namespace mesh::forward::filter
