#include "forward/filter/run.h"

namespace mesh::forward::filter {

Verdict Run::on_request(Context& context) {
  const auto& filters = plan_->filters;
  while (entered_ < filters.size()) {
    const Filter& filter = *filters[entered_];
    Slot& slot = slots_[entered_++];
    slot = {};
    if ((filter.hooks & Filter::kRequest) == 0) continue;
    const Verdict verdict = filter.on_request(context, slot);
    if (verdict.status != 0) return verdict;
    if (!verdict.cluster.empty()) cluster_ = verdict.cluster;
  }
  return {};
}

Verdict Run::on_guard(Context& context) const {
  for (const auto& filter : plan_->filters) {
    if ((filter->hooks & Filter::kGuard) == 0) continue;
    Slot slot{};
    const Verdict verdict = filter->on_request(context, slot);
    if (verdict.status != 0) return verdict;
  }
  return {};
}

Verdict Run::on_try(Context& context) {
  answer_.clear();
  for (size_t i = 0; i < entered_; ++i) {
    const Filter& filter = *plan_->filters[i];
    if ((filter.hooks & Filter::kTry) == 0) continue;
    const Verdict verdict = filter.on_try(context, slots_[i]);
    if (!verdict.passes()) return verdict;
  }
  return {};
}

void Run::on_response(Context& context, http::ResponseHead& head) {
  for (size_t i = entered_; i-- > 0;) {
    const Filter& filter = *plan_->filters[i];
    if ((filter.hooks & Filter::kResponse) != 0) filter.on_response(context, slots_[i], head);
  }
}

void Run::on_end(const End& end, Instant now) {
  const Plan& plan = *std::exchange(plan_, nullptr);
  for (size_t i = 0; i < entered_; ++i) {
    const Filter& filter = *plan.filters[i];
    if ((filter.hooks & Filter::kEnd) != 0) filter.on_end(end, now, slots_[i]);
  }
}

}  // namespace mesh::forward::filter
