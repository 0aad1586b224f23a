// Answers of our own.
#include <charconv>

#include "forward/connection.h"
#include "forward/exchange.h"
#include "forward/grpc.h"
#include "forward/worker.h"
#include "http/date.h"

namespace mesh::forward {

void Exchange::reply(uint16_t status, telemetry::Flags flags, std::string_view details,
                     std::string_view body, int grpc_status) {
  if (down_ == nullptr) return;
  if (phase_ == Phase::Awaiting) stop_awaiting();
  if (phase_ == Phase::Asking) stop_asking();
  hold_.cancel();
  watch_.cancel();
  if (extras_ && extras_->hedge) extras_->hedge->cancel();
  try_deadline_.cancel();
  request_deadline_.cancel();
  if (extras_) extras_->retry_permit.reset();
  if (route_ != nullptr && tries_ == 0) note_use();
  flags_ = telemetry::Flags::from_bits(flags_.bits() | flags.bits());
  details_ = details;
  phase_ = Phase::Answered;
  body_.clear();
  http::ResponseHead& response = extras().own_response;
  response.clear();
  response.status = status_ = status;
  char number[24];
  const auto as_text = [&](uint64_t n) {
    const auto end = std::to_chars(number, number + sizeof number, n).ptr;
    return scratch_.keep({number, size_t(end - number)});
  };
  http::Fields& fields = response.fields;
  std::array<char, http::kDateBytes> date;
  fields.add("date", scratch_.keep(http::format_date(worker_.loop().wall(), date)));
  if (grpc_) {
    response.status = status_ = 200;
    grpc_status_ = grpc_status >= 0 ? grpc_status : grpc_status_of(status);
    fields.add("content-type", "application/grpc");
    fields.add("grpc-status", as_text(uint64_t(grpc_status_)));
    if (!body.empty()) fields.add("grpc-message", scratch_.keep(grpc_message(body)));
    body = {};
  } else {
    response.content_length = body.size();
    fields.add("content-length", as_text(body.size()));
    if (!body.empty()) fields.add("content-type", "text/plain");
  }
  if (flags.has(telemetry::Flag::UpstreamOverflow) && !chain_->config->suppress_envoy_headers)
    fields.add("x-envoy-overloaded", "true");
  if (options_.policy != nullptr && options_.policy->attempt_count_in_response && tries_ > 0)
    fields.add("x-envoy-attempt-count", as_text(tries_));
  if (chain_->config->edge.always_set_request_id_in_response)
    if (const auto id = head_->fields.get("x-request-id")) fields.add("x-request-id", *id);
  if (!extras_->location.empty()) fields.add("location", extras_->location);
  edit_response(fields);
  run_response_filters(response);
  const bool headless = head_->method == "HEAD" || body.empty();
  if (!headless) response_bytes_ = body.size();
  // What has not come in time is not waited for: an HTTP/1 connection ends with this.
  const bool last = status == 408 && !request_ended_ && head_->protocol != http::Protocol::Http2;
  Connection& connection = *connection_;
  if (last) connection.drain("the request did not arrive in time");
  http::Stream& down = *down_;
  down.send_response_head(response, headless);
  if (!headless && down_ == &down) down.send_data(body, true);
  // What is left of the request is of no use; the codec drops or refuses it.
  if (held_ && down_ == &down) release_downstream();
  if (last) connection.look_again();
}

}  // namespace mesh::forward
