// The way back: upstream events, to the end of the response.
#include <utility>

#include "forward/connection.h"
#include "forward/exchange.h"
#include "forward/grpc.h"
#include "forward/head_rules.h"
#include "forward/worker.h"

namespace mesh::forward {

using telemetry::Flag;

void Exchange::on_attempt_informational(upstream::Attempt&, http::ResponseHead& head) {
  touch();
  if (phase_ == Phase::Trying && down_ != nullptr && head_->protocol != http::Protocol::Http10)
    down_->send_informational(head);
}

void Exchange::on_attempt_head(upstream::Attempt&, http::ResponseHead& head, bool end) {
  if (phase_ != Phase::Trying) return;
  touch();
  resilience::Outcome outcome;
  outcome.status = head.status;
  outcome.request_started = true;
  if (grpc_) outcome.grpc_status = grpc_status_in(head.fields);
  if (options_.retry != nullptr && retry(outcome))
    return attempt_.abandon(head, end, request_ended_);

  try_deadline_.cancel();
  if (extras_) extras_->retry_permit.reset();
  phase_ = Phase::Answering;
  status_ = head.status;
  details_ = "via_upstream";
  response_start_ = last_active_;
  response_fields_ = &head.fields;
  if (outcome.grpc_status) grpc_status_ = *outcome.grpc_status;
  if (!body_.empty() || keep_body_) {
    keep_body_ = false;
    body_lost_ = true;
    body_.clear();
  }
  service_time_ = response_start_ - (request_ended_ ? request_end_ : start_);
  if (!inbound_) add_service_time(head.fields, service_time_, scratch_);
  edit_response(head.fields);
  run_response_filters(head);
  if (head_->asks_tunnel() && opens_tunnel(head))
    begin_tunnel(head);
  else if (end)
    response_complete();
  if (down_ != nullptr) down_->send_response_head(head, end);
  if (phase_ == Phase::Tunnel) release_downstream();
}

void Exchange::on_attempt_data(upstream::Attempt&, std::string_view bytes, bool end) {
  if (!answering() || down_ == nullptr) return;
  touch();
  response_bytes_ += bytes.size();
  if (end && phase_ != Phase::Tunnel) response_complete();
  down_->send_data(bytes, end);
  if (down_ != nullptr && !end && down_->buffered() > http::Stream::kBufferedHigh) attempt_.pause();
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
  request_deadline_.cancel();
}

void Exchange::on_attempt_closed(upstream::Attempt&) {
  response_fields_ = nullptr;
  if (phase_ == Phase::Answered && held_) release_downstream();  // the rest is dropped
  try_to_recycle();
}

void Exchange::on_send_room() {
  touch();
  attempt_.resume();
}

// The response has begun: all that is left is to break it off.
void Exchange::fail_midway(Flag flag, std::string_view details) {
  flags_.add(flag);
  details_ = details;
  attempt_.cancel(std::nullopt);
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
