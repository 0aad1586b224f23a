#include "forward/filter/run.h"

namespace mesh::forward::filter {

void Run::follow(const Plan* plan, bool guards_only) {
  if (plan == plan_ && !guards_only) return;
  auto joined = std::make_unique<Plan>();
  const auto add = [&](const Plan& from, size_t i) {
    joined->filters.push_back(from.filters[i]);
    joined->places.push_back(from.places[i]);
    joined->hooks |= from.filters[i]->hooks;
  };
  for (size_t i = 0; i < entered_; ++i) {
    if (guards_only && (plan_->filters[i]->hooks & Filter::kGuard) == 0) continue;
    slots_[joined->filters.size()] = slots_[i];
    add(*plan_, i);
  }
  const int last = entered_ == 0 ? -1 : plan_->places[entered_ - 1];
  entered_ = joined->filters.size();
  for (size_t i = 0; plan != nullptr && i < plan->filters.size(); ++i)
    if (plan->places[i] > last) add(*plan, i);
  joined_ = std::move(joined);
  plan_ = joined_.get();
}

Verdict Run::run(Context& context, bool early, bool guards_only) {
  const auto& filters = plan_->filters;
  const unsigned wanted = guards_only ? Filter::kGuard : Filter::kRequest;
  while (entered_ < filters.size()) {
    const Filter& filter = *filters[entered_];
    Slot& slot = slots_[entered_++];
    slot = {};
    if ((filter.hooks & wanted) == 0) continue;
    const Verdict verdict = filter.on_request(context, slot);
    if (verdict.status != 0 || verdict.ask != nullptr || (early && verdict.reroute)) return verdict;
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
  joined_.reset();
}

}  // namespace mesh::forward::filter
