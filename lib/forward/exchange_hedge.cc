// Tries beside each other: one that passed its timeout goes on while another begins.
#include "forward/connection.h"
#include "forward/exchange.h"
#include "forward/worker.h"

namespace mesh::forward {

using upstream::AttemptFailure;

bool Exchange::others_pending() const {
  return extras_ != nullptr && extras_->hedge != nullptr && extras_->hedge->waiting();
}

// The present try passed its timeout. True: it goes on, and another follows it, or
// there may be no more and those under way are waited for.
bool Exchange::hedge() {
  if (!options_.hedge || options_.retry == nullptr || !replayable() || !request_ended_ ||
      attempt_->stream() == nullptr)
    return false;
  attempt_->report_timeout();
  count(upstream::ClusterCount::RqPerTryTimeout);
  resilience::Outcome outcome;
  outcome.failure = resilience::Failure::SlowTry;
  outcome.request_started = true;
  Extras& more = extras();
  if (!more.hedge) more.hedge = std::make_unique<Hedge>();
  if (more.hedge->full() || !permitted(outcome)) return true;
  more.add_tried(attempt_->host(), *options_.retry);
  attempt_ = more.hedge->add(*attempt_, worker_.loop(), *this);
  phase_ = Phase::Holding;
  hold_.arm(wait_before_retry(nullptr));
  return true;
}

bool Exchange::take_elder(upstream::Attempt& elder, http::ResponseHead& head, bool end) {
  Hedge& hedge = *extras_->hedge;
  const bool in_time = phase_ == Phase::Holding || phase_ == Phase::Trying;
  hedge.remove(elder);
  const bool others = phase_ == Phase::Holding || attempt_->active() || hedge.waiting();
  if (!in_time || (others && resilience::retriable(*options_.retry, outcome_of(head)))) {
    elder.abandon(head, end, request_ended_);
    return false;
  }
  hold_.cancel();
  pending_ = {};
  attempt_->cancel(std::nullopt);
  attempt_ = &elder;
  phase_ = Phase::Trying;
  return true;
}

void Exchange::on_elder_failed(upstream::Attempt& elder, const AttemptFailure& failure) {
  extras_->hedge->remove(elder);
  if (phase_ != Phase::Trying || attempt_->active() || extras_->hedge->waiting()) return;
  reply_failure(failure);
}

}  // namespace mesh::forward
