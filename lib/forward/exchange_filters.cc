// Where filters stand in an exchange: after the route is known, before each try, on the
// way back, and at the end.
#include <utility>

#include "forward/connection.h"
#include "forward/exchange.h"
#include "forward/worker.h"

namespace mesh::forward {

filter::Context Exchange::filter_context() {
  return {.head = *head_,
          .route = *route_,
          .random = worker_.random(),
          .secure = connection_->secure(),
          .peer_identity = connection_->stream().peer_identity()};
}

// False: answered already.
bool Exchange::run_request_filters() {
  if (chain_->filters.empty()) return true;
  filter::Context context = filter_context();
  for (const auto& filter : chain_->filters) {
    const filter::Verdict verdict = filter->on_request(context);
    if (verdict.status == 0) continue;
    reply(verdict.status, verdict.flags, verdict.details, verdict.body, verdict.grpc_status);
    return false;
  }
  return true;
}

void Exchange::run_try_filters() {
  pending_ = {};
  if (chain_->filters.empty()) return;
  filter::Context context = filter_context();
  for (const auto& filter : chain_->filters) {
    pending_ = filter->on_try(context);
    if (!pending_.passes()) return;
  }
}

void Exchange::run_response_filters(http::ResponseHead& head) {
  if (chain_->filters.empty() || route_ == nullptr) return;
  filter::Context context = filter_context();
  for (auto f = chain_->filters.rbegin(); f != chain_->filters.rend(); ++f)
    (*f)->on_response(context, head);
}

void Exchange::run_end_filters(Duration duration) {
  if (chain_->filters.empty() || route_ == nullptr) return;
  filter::Context context = filter_context();
  const filter::Ended ended{
      .status = status_, .grpc_status = grpc_status_, .flags = flags_, .duration = duration};
  for (const auto& filter : chain_->filters) filter->on_end(context, ended);
}

// A filter answers in the upstream's place: retried as an upstream's answer is.
void Exchange::fault_answer() {
  const filter::Verdict verdict = std::exchange(pending_, {});
  try_deadline_.cancel();
  resilience::Outcome outcome;
  outcome.status = verdict.status;
  if (grpc_ && verdict.grpc_status >= 0) outcome.grpc_status = uint8_t(verdict.grpc_status);
  if (retry(outcome)) return;
  flags_ = telemetry::Flags::from_bits(flags_.bits() | verdict.flags.bits());
  reply(verdict.status, {}, verdict.details, verdict.body, verdict.grpc_status);
}

}  // namespace mesh::forward
