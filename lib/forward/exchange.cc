// How an exchange begins and ends, and what it hears of its downstream's end.
#include "forward/exchange.h"

#include <utility>

#include "base/check.h"
#include "forward/connection.h"
#include "forward/worker.h"

namespace mesh::forward {

using telemetry::Flag;

Exchange::Exchange(Worker& worker)
    : worker_(worker),
      first_(worker.loop(), *this),
      request_deadline_(worker.loop().wheel(), *this),
      try_deadline_(worker.loop().wheel(), *this),
      hold_(worker.loop().wheel(), *this),
      watch_(worker.loop().wheel(), *this) {}

Exchange::~Exchange() = default;

http::StreamHandler* Exchange::begin(Connection& connection, http::Stream& stream) {
  MESH_CHECK(phase_ == Phase::Free);
  phase_ = Phase::Head;
  connection_ = &connection;
  view_ = &connection.view();
  view_->retain();
  chain_ = &connection.chain();
  inbound_ = connection.inbound();
  options_ = options_of(*chain_->config);
  down_ = &stream;
  start_ = last_active_ = worker_.loop().now();
  arm_watch();
  return this;
}

void Exchange::touch() { last_active_ = worker_.loop().now(); }

Extras& Exchange::extras() {
  if (!extras_) extras_ = worker_.take_extras();
  return *extras_;
}

void Exchange::on_reset(http::ResetReason reason) {
  if (reason == http::ResetReason::ProtocolError || reason == http::ResetReason::LimitExceeded) {
    flags_.add(Flag::DownstreamProtocolError);
    details_ = "downstream_protocol_error";
  } else {
    flags_.add(Flag::DownstreamConnectionTermination);
    details_ = "downstream_remote_disconnect";
  }
  conclude();
}

void Exchange::on_closed() {
  const bool tunnel = phase_ == Phase::Tunnel;
  if (tunnel) end_tunnel(true);
  conclude();
  if (tunnel && phase_ != Phase::Free) hold_.arm(kTunnelRestMax);
}

void Exchange::abandon() {
  give_up(std::nullopt);
  if (down_ != nullptr) {
    down_->attach(nullptr);
    conclude();
  }
}

void Exchange::on_ejected() { worker_.on_ejection(); }

// The downstream's stream is over. Its head's views are gone after this.
void Exchange::conclude() {
  if (down_ == nullptr) return;
  if (phase_ == Phase::Awaiting) stop_awaiting();
  if (phase_ == Phase::Asking) stop_asking();
  const Duration duration = worker_.loop().now() - start_;
  if (head_ != nullptr) {
    run_end_filters(duration);
    record(duration);
    if (!chain_->logs.empty()) log(duration);
    if (extras_ && extras_->traced) end_span(duration);
  }
  down_ = nullptr;
  head_ = nullptr;
  trailers_ = nullptr;
  if (extras_) extras_->taps.clear();
  hold_.cancel();
  watch_.cancel();
  try_deadline_.cancel();
  request_deadline_.cancel();
  if (phase_ == Phase::Tunnel) end_tunnel(false);
  if (phase_ != Phase::Answered) {
    phase_ = Phase::Answered;
    give_up(std::nullopt);
  }
  try_to_recycle();
}

// Both streams are gone: as new, and back to the worker.
void Exchange::try_to_recycle() {
  if (phase_ == Phase::Free || down_ != nullptr || attempt_->active() || others_pending()) return;
  phase_ = Phase::Free;
  if (hold_.armed()) hold_.cancel();  // of a tunnel's rest
  connection_ = nullptr;
  chain_ = nullptr;
  route_ = nullptr;
  destination_ = nullptr;
  start_wall_ = WallTime{};
  cluster_ = nullptr;
  target_ = nullptr;
  request_ended_ = keep_body_ = body_lost_ = held_ = grpc_ = trusted_ = false;
  pending_ = {};
  tries_ = 0;
  options_ = {};
  request_end_ = response_start_ = Instant{};
  request_bytes_ = response_bytes_ = 0;
  status_ = 0;
  grpc_status_ = -1;
  service_time_ = Duration(-1);
  flags_ = {};
  details_ = {};
  attempt_ = &first_;
  if (extras_) {
    extras_->variant.reset();  // before the view goes
    worker_.recycle(std::move(extras_));
  }
  response_fields_ = nullptr;
  body_.clear();
  if (body_.capacity() > 4096) body_.shrink_to_fit();
  scratch_.clear();
  std::exchange(view_, nullptr)->release();
  worker_.recycle(*this);
}

}  // namespace mesh::forward
