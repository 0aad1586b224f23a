// The way back: upstream events, to the end of the response.
#include <utility>

#include "forward/connection.h"
#include "forward/exchange.h"
#include "forward/grpc.h"
#include "forward/head_rules.h"
#include "forward/worker.h"

namespace mesh::forward {

void Exchange::on_attempt_informational(upstream::Attempt& attempt, http::ResponseHead& head) {
  touch();
  if (&attempt == attempt_ && phase_ == Phase::Trying && down_ != nullptr &&
      head_->protocol != http::Protocol::Http10)
    down_->send_informational(head);
}

void Exchange::on_attempt_head(upstream::Attempt& attempt, http::ResponseHead& head, bool end) {
  if (&attempt != attempt_ && !take_elder(attempt, head, end)) return;
  if (phase_ != Phase::Trying) return;
  touch();
  if (options_.retry != nullptr) {
    const resilience::Outcome outcome = outcome_of(head);
    if (retry(outcome, &head.fields)) return attempt_->abandon(head, end, request_ended_);
    // It is no good answer, and a better one may come.
    if (others_pending() && resilience::retriable(*options_.retry, outcome))
      return attempt_->abandon(head, end, request_ended_);
  }
  if (grpc_)
    if (const auto status = grpc_status_in(head.fields)) grpc_status_ = *status;
  begin_answer(head);
  if (head_->asks_tunnel() && opens_tunnel(head))
    begin_tunnel(head);
  else if (end)
    response_complete();
  if (down_ != nullptr) down_->send_response_head(head, end);
  if (phase_ == Phase::Tunnel) release_downstream();
}

resilience::Outcome Exchange::outcome_of(const http::ResponseHead& head) const {
  resilience::Outcome outcome;
  outcome.status = head.status;
  outcome.request_started = true;
  if (grpc_) outcome.grpc_status = grpc_status_in(head.fields);
  outcome.rate_limited = head.fields.get("x-envoy-ratelimited").has_value();
  if ((options_.retry->retry_on & resilience::kRetryOnRetriableHeaders) == 0) return outcome;
  const route::RequestPolicy* const policy = options_.policy;
  outcome.retriable_header = (policy != nullptr && policy->retriable_headers.any_holds(head)) ||
                             (trusted_ && has_any(head.fields, extras_->asked.header_names));
  return outcome;
}

// The answer of the present try is the one: its head, as it goes downstream.
void Exchange::begin_answer(http::ResponseHead& head) {
  try_deadline_.cancel();
  if (tries_ > 1) count(upstream::ClusterCount::RqRetrySuccess);
  if (extras_) {
    extras_->retry_permit.reset();
    if (extras_->hedge) extras_->hedge->cancel();
  }
  phase_ = Phase::Answering;
  status_ = head.status;
  details_ = "via_upstream";
  response_start_ = last_active_;
  response_fields_ = &head.fields;
  if (!body_.empty() || keep_body_) {
    keep_body_ = false;
    body_lost_ = true;
    body_.clear();
  }
  service_time_ = response_start_ - (request_ended_ ? request_end_ : start_);
  const xds::FilterChain& chain = *chain_->config;
  if (!inbound_ && !chain.suppress_envoy_headers)
    add_service_time(head.fields, service_time_, scratch_);
  if (options_.policy != nullptr && options_.policy->attempt_count_in_response)
    set_number(head.fields, "x-envoy-attempt-count", tries_, scratch_);
  if (chain.edge.always_set_request_id_in_response)
    if (const auto id = head_->fields.get("x-request-id")) head.fields.set("x-request-id", *id);
  add_cookies(head.fields);
  edit_response(head.fields);
  run_response_filters(head);
}

void Exchange::on_attempt_data(upstream::Attempt&, std::string_view bytes, bool end) {
  if (!answering() || down_ == nullptr) return;
  touch();
  response_bytes_ += bytes.size();
  if (end && phase_ != Phase::Tunnel) response_complete();
  down_->send_data(bytes, end);
  if (down_ != nullptr && !end && down_->buffered() > http::Stream::kBufferedHigh)
    attempt_->pause();
}

void Exchange::on_attempt_trailers(upstream::Attempt&, http::Fields& trailers) {
  if (!answering() || down_ == nullptr) return;
  touch();
  if (grpc_)
    if (const auto status = grpc_status_in(trailers)) grpc_status_ = *status;
  if (phase_ == Phase::Tunnel) return down_->send_data({}, true);
  response_complete();
  down_->send_trailers(trailers);
}

void Exchange::response_complete() {
  phase_ = Phase::Answered;
  watch_.cancel();
  request_deadline_.cancel();
}

void Exchange::on_attempt_closed(upstream::Attempt&) {
  response_fields_ = nullptr;
  if (phase_ == Phase::Answered && held_) release_downstream();  // the rest is dropped
  try_to_recycle();
}

void Exchange::on_send_room() {
  touch();
  attempt_->resume();
}

// The response has begun: all that is left is to break it off.
void Exchange::fail_midway(telemetry::Flags flags, std::string_view details) {
  flags_ = telemetry::Flags::from_bits(flags_.bits() | flags.bits());
  details_ = details;
  give_up(std::nullopt);
  if (http::Stream* const down = down_) {
    Connection& connection = *connection_;
    conclude();  // while the head is there to be logged
    down->reset(http::ResetReason::ConnectionLost);
    connection.look_again();
    return;
  }
  try_to_recycle();
}

}  // namespace mesh::forward
