// Tunnels: upgrades and CONNECT, from the asking to the end of both directions.
#include "forward/connection.h"
#include "forward/exchange.h"
#include "forward/upgrade.h"
#include "forward/worker.h"

namespace mesh::forward {

// Envoy answers 403 to what is not configured; to CONNECT where nothing at all
// is said of it, 501 tells more.
bool Exchange::admit_tunnel() {
  switch (tunnel_rule(*head_, route_, *chain_->config)) {
    case TunnelRule::Unknown:
      if (head_->is_connect()) {
        reply(501, {}, "connect_not_configured", "CONNECT is not configured here");
        return false;
      }
      [[fallthrough]];
    case TunnelRule::Disabled:
      reply(403, {}, "upgrade_failed", "this upgrade is not configured here");
      return false;
    case TunnelRule::Terminate: extras().terminate_connect = true; break;
    case TunnelRule::Pass: break;
  }
  if (add_websocket_key(*head_, worker_.random(), scratch_)) extras().websocket_key_added = true;
  hold_downstream();  // until the answer accepts the tunnel or refuses it
  return true;
}

bool Exchange::awaits_tunnel() const {
  return phase_ < Phase::Answering && head_ != nullptr && head_->asks_tunnel();
}

// What accepts the tunnel that was asked for. No other answer is one, so that a
// stray 101 never reaches a client.
bool Exchange::opens_tunnel(const http::ResponseHead& head) const {
  if (!head_->asks_tunnel()) return false;
  return head_->is_connect() ? head.status / 100 == 2 : head.status == 101;
}

// The request's limits of time are those of its answer: a tunnel has idleness only.
void Exchange::begin_tunnel(http::ResponseHead& head) {
  phase_ = Phase::Tunnel;
  request_deadline_.cancel();
  worker_.count_tunnel(true);
  settle_websocket_accept(*head_, extras_ && extras_->websocket_key_added, head, scratch_);
}

// In order: both directions have, as the downstream sees it. What it said last is
// on its way upstream, whose stream then ends by itself.
void Exchange::end_tunnel(bool in_order) {
  worker_.count_tunnel(false);
  phase_ = Phase::Answered;
  if (!in_order) attempt_->cancel(std::nullopt);
}

// A tunnel's last bytes, which the upstream did not take in time.
void Exchange::give_up_upstream() {
  give_up(std::nullopt);
  try_to_recycle();
}

}  // namespace mesh::forward
