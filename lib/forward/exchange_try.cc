// Tries: how each begins, what its failure leads to, and its timeouts.
#include <utility>

#include "forward/connection.h"
#include "forward/exchange.h"
#include "forward/failure_text.h"
#include "forward/worker.h"
#include "resilience/backoff.h"

namespace mesh::forward {

using telemetry::Flag;
using upstream::AttemptFailure;
using upstream::ClusterCount;

void Exchange::count(ClusterCount what) {
  if (cluster_ != nullptr) cluster_->cluster->counts().add(what);
}

void Exchange::next_try() {
  ++tries_;
  phase_ = Phase::Trying;
  run_try_filters();
  if (options_.per_try_timeout > Duration::zero()) try_deadline_.arm(options_.per_try_timeout);
  if (pending_.delay > Duration::zero()) {
    flags_ = telemetry::Flags::from_bits(flags_.bits() | pending_.delay_flags.bits());
    phase_ = Phase::Holding;
    return hold_.arm(pending_.delay);
  }
  begin_attempt();
}

void Exchange::begin_attempt() {
  phase_ = Phase::Trying;
  if (pending_.status != 0) return fault_answer();
  static constexpr balance::PickContext kAnybody;
  const balance::PickContext& context = extras_ ? extras_->pick : kAnybody;
  if (extras_ && extras_->terminate_connect)
    return attempt_.start_connect(*cluster_->cluster, worker_.random(), context, worker_.blocks());
  attempt_.start(*cluster_->cluster, worker_.random(), context, route_->high_priority);
}

// The policy asks for another try, and the limits allow it.
bool Exchange::permitted(const resilience::Outcome& outcome) {
  const upstream::ClusterSpec& spec = cluster_->cluster->spec();
  resilience::Permit permit;
  const auto verdict = resilience::decide(*options_.retry, outcome, tries_, [&] {
    const bool high = route_->high_priority;
    permit = (high ? spec.high_retry_budget : spec.retry_budget).acquire(spec.usage(high));
    return bool(permit);
  });
  switch (verdict) {
    case resilience::Verdict::NotRetriable: return false;
    case resilience::Verdict::LimitExceeded:
      count(ClusterCount::RqRetryLimitExceeded);
      flags_.add(Flag::UpstreamRetryLimitExceeded);
      return false;
    case resilience::Verdict::Overflow:
      count(ClusterCount::RqRetryOverflow);
      flags_.add(Flag::UpstreamOverflow);
      return false;
    case resilience::Verdict::Retry: count(ClusterCount::RqRetry); break;
  }
  extras().retry_permit = std::move(permit);
  return true;
}

bool Exchange::retry(const resilience::Outcome& outcome) {
  if (options_.retry == nullptr || !replayable() || !permitted(outcome)) return false;
  const resilience::RetryPolicy& policy = *options_.retry;
  if (attempt_.host() != balance::kNoHost && policy.avoid_tried_hosts)
    extras().add_tried(attempt_.host());
  try_deadline_.cancel();
  phase_ = Phase::Holding;
  hold_.arm(
      resilience::backoff(tries_, policy.base_interval, policy.max_interval, worker_.random()));
  return true;
}

void Exchange::on_attempt_ready(upstream::Attempt&, http::Stream& stream) {
  touch();
  attempt_.set_request_started();
  const bool whole = request_ended_ && trailers_ == nullptr;
  stream.send_request_head(*head_, whole && body_.empty());
  // Sending may end the stream: then it is not ours any more.
  if (!body_.empty() && attempt_.stream() == &stream) stream.send_data(body_, whole);
  if (trailers_ != nullptr && attempt_.stream() == &stream) stream.send_trailers(*trailers_);
  if (attempt_.stream() != &stream) return;
  if (body_.size() > kBodyKeptMax) keep_body_ = false;
  if (!keep_body_ && !body_.empty()) {
    body_lost_ = true;
    body_.clear();
  }
  if (stream.buffered() <= http::Stream::kBufferedHigh) release_downstream();
}

void Exchange::on_attempt_failed(upstream::Attempt&, const AttemptFailure& failure) {
  response_fields_ = nullptr;
  if (down_ == nullptr) return try_to_recycle();
  const FailureText& text = failure_text(failure.kind);
  if (phase_ == Phase::Answering || phase_ == Phase::Tunnel)
    return fail_midway(text.flag, "upstream_reset_after_response_started");
  if (phase_ != Phase::Trying) return;  // answered: the end of the attempt is of no interest
  if (!failure.text.empty()) extras().transport_failure.assign(failure.text);
  if (failure.untouched && replayable() && extras().untouched_retries < kUntouchedRetriesMax) {
    ++extras_->untouched_retries;
    --tries_;
    phase_ = Phase::Holding;
    return hold_.arm(Duration::zero());
  }
  resilience::Outcome outcome;
  outcome.failure = failure.failure;
  outcome.request_started = attempt_.request_started();
  if (retry(outcome)) return;
  std::string body(text.sentence);
  if (failure.kind == AttemptFailure::Kind::Connect && !failure.text.empty())
    body.append(": ").append(failure.text);
  reply(503, text.flag, text.details, body);
}

void Exchange::on_request_timeout() {
  if (phase_ == Phase::Answering)
    return fail_midway(Flag::UpstreamRequestTimeout, "response_timeout");
  if (phase_ != Phase::Holding && phase_ != Phase::Trying) return;
  count(ClusterCount::RqTimeout);
  attempt_.cancel(uint16_t(504));
  reply(504, Flag::UpstreamRequestTimeout, "response_timeout",
        "no response from the upstream within the route's timeout");
}

void Exchange::on_try_timeout() {
  if (phase_ != Phase::Holding && phase_ != Phase::Trying) return;
  hold_.cancel();
  count(ClusterCount::RqPerTryTimeout);
  pending_ = {};
  resilience::Outcome outcome;
  outcome.failure = resilience::Failure::PerTryTimeout;
  outcome.request_started = attempt_.request_started();
  attempt_.cancel(uint16_t(504));
  if (retry(outcome)) return;
  reply(504, Flag::UpstreamRequestTimeout, "upstream_per_try_timeout",
        "no response from the upstream within the timeout of a try");
}

}  // namespace mesh::forward
