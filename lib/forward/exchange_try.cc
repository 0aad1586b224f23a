// Tries: how each begins, and what its failure leads to.
#include <utility>

#include "forward/connection.h"
#include "forward/exchange.h"
#include "forward/failure_text.h"
#include "forward/worker.h"
#include "resilience/backoff.h"
#include "resilience/deadline.h"

namespace mesh::forward {

using telemetry::Flag;
using upstream::AttemptFailure;
using upstream::ClusterCount;

void Exchange::count(ClusterCount what) {
  if (cluster_ != nullptr) cluster_->cluster->counts().add(what);
  if (options_.policy != nullptr && options_.policy->stat)
    worker_.route_stats().count(*options_.policy->stat, what);
}

void Exchange::next_try() {
  ++tries_;
  phase_ = Phase::Trying;
  run_try_filters();
  // It runs from the connection (Envoy), and during injected delays.
  if (pending_.delay > Duration::zero() && options_.per_try_timeout > Duration::zero())
    try_deadline_.arm(options_.per_try_timeout);
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
    return attempt_->start_connect(*target_, worker_.random(), context, worker_.blocks());
  attempt_->start(*target_, worker_.random(), context, route_->high_priority);
}

// The policy asks for another try, and the limits allow it.
bool Exchange::permitted(const resilience::Outcome& outcome) {
  const upstream::ClusterSpec& spec = cluster_->cluster->spec();
  resilience::Permit permit;
  const auto verdict = resilience::decide(*options_.retry, outcome, tries_, [&] {
    const bool high = route_->high_priority;
    permit = (high ? spec.high_retry_budget : spec.retry_budget)
                 .acquire(spec.usage(high), worker_.loop().now());
    return bool(permit);
  });
  switch (verdict) {
    case resilience::Verdict::NotRetriable: return false;
    case resilience::Verdict::LimitExceeded:
      flags_.add(Flag::UpstreamRetryLimitExceeded);
      count(ClusterCount::RqRetryLimitExceeded);
      return false;
    case resilience::Verdict::Overflow:
      flags_.add(Flag::UpstreamOverflow);
      count(ClusterCount::RqRetryOverflow);
      return false;
    case resilience::Verdict::Retry: break;
  }
  count(ClusterCount::RqRetry);
  extras().retry_permit = std::move(permit);
  return true;
}

bool Exchange::retry(const resilience::Outcome& outcome, const http::Fields* answer) {
  if (options_.retry == nullptr || !replayable() || !permitted(outcome)) return false;
  extras().add_tried(attempt_->host(), *options_.retry);
  try_deadline_.cancel();
  phase_ = Phase::Holding;
  hold_.arm(wait_before_retry(answer));
  return true;
}

Duration Exchange::wait_before_retry(const http::Fields* answer) {
  const resilience::RetryPolicy& policy = *options_.retry;
  if (answer != nullptr) {
    for (const resilience::ResetHeader& header : policy.reset_headers) {
      const auto value = answer->get(header.name);
      if (!value) continue;
      const auto least = resilience::parse_reset(header.format, *value, worker_.loop().wall());
      if (!least || *least > policy.reset_interval_max) continue;
      if (*least <= std::chrono::milliseconds(1)) break;
      count(ClusterCount::RqRetryBackoffRatelimited);
      return resilience::rate_limited_backoff(*least, worker_.random());
    }
  }
  count(ClusterCount::RqRetryBackoffExponential);
  return resilience::backoff(tries_, policy.base_interval, policy.max_interval, worker_.random());
}

// x-envoy-attempt-count, x-envoy-expected-rq-timeout-ms, and grpc-timeout where the
// route's timeout is the caller's deadline.
void Exchange::tell_try() {
  http::Fields& fields = head_->fields;
  const route::RequestPolicy* const policy = options_.policy;
  if (policy != nullptr && policy->attempt_count_in_request)
    set_number(fields, "x-envoy-attempt-count", tries_, scratch_);
  if (options_.timeout <= Duration::zero() && options_.per_try_timeout <= Duration::zero()) return;
  const Duration elapsed =
      tries_ > 1 && request_ended_ ? worker_.loop().now() - request_end_ : Duration::zero();
  const Duration expected = resilience::expected_timeout(
      {options_.timeout, options_.per_try_timeout}, elapsed, options_.hedge);
  if (!chain_->config->suppress_envoy_headers)
    set_number(fields, "x-envoy-expected-rq-timeout-ms",
               uint64_t(std::chrono::ceil<std::chrono::milliseconds>(expected).count()), scratch_);
  if (!grpc_ || policy == nullptr || !policy->max_grpc_timeout) return;
  char text[resilience::kGrpcTimeoutBytes];
  fields.set("grpc-timeout", scratch_.keep(resilience::format_grpc_timeout(expected, text)));
}

void Exchange::on_attempt_ready(upstream::Attempt&, http::Stream& stream) {
  touch();
  tell_try();
  if (options_.per_try_timeout > Duration::zero() && request_ended_ && !try_deadline_.armed())
    try_deadline_.arm(options_.per_try_timeout);
  if (cluster_->cluster->spec().config->max_stream_duration > Duration::zero())
    extras().try_start = last_active_;
  arm_watch();
  attempt_->set_request_started();
  const bool whole = request_ended_ && trailers_ == nullptr;
  stream.send_request_head(*head_, whole && body_.empty());
  // Sending may end the stream: then it is not ours any more.
  if (!body_.empty() && attempt_->stream() == &stream) stream.send_data(body_, whole);
  if (trailers_ != nullptr && attempt_->stream() == &stream) stream.send_trailers(*trailers_);
  if (attempt_->stream() != &stream) return;
  if (keep_body_ && body_.size() > options_.body_kept_max) {
    keep_body_ = false;
    count(upstream::ClusterCount::RetryOrShadowAbandoned);
  }
  if (!keep_body_ && !body_.empty()) {
    body_lost_ = true;
    body_.clear();
  }
  if (stream.buffered() <= http::Stream::kBufferedHigh) release_downstream();
}

void Exchange::on_attempt_failed(upstream::Attempt& attempt, const AttemptFailure& failure) {
  response_fields_ = nullptr;
  if (down_ == nullptr) return try_to_recycle();
  if (&attempt != attempt_) return on_elder_failed(attempt, failure);
  if (answering())
    return fail_midway(failure_text(failure.kind).flag, "upstream_reset_after_response_started");
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
  outcome.request_started = attempt_->request_started();
  if (retry(outcome) || others_pending()) return;
  reply_failure(failure);
}

void Exchange::reply_failure(const AttemptFailure& failure) {
  const FailureText& text = failure_text(failure.kind);
  std::string body(text.sentence);
  if (failure.kind == AttemptFailure::Kind::Connect && !failure.text.empty())
    body.append(": ").append(failure.text);
  reply(503, text.flag, text.details, body);
}

void Exchange::give_up(std::optional<uint16_t> status) {
  attempt_->cancel(status);
  if (extras_ && extras_->hedge) extras_->hedge->cancel();
}

}  // namespace mesh::forward
