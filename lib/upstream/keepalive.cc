#include "upstream/keepalive.h"

namespace mesh::upstream {

Keepalive::Keepalive(event::Loop& loop, http::Codec& codec, const Settings& settings,
                     Random& random, Owner& owner)
    : loop_(loop),
      codec_(codec),
      settings_(settings),
      random_(random),
      owner_(owner),
      deadline_(loop.wheel(), *this),
      last_progress_(loop.now()) {
  wait();
}

void Keepalive::on_stream() {
  if (asked_ || settings_.idle_interval <= Duration::zero() ||
      loop_.now() - last_progress_ < settings_.idle_interval)
    return;
  ask();
}

void Keepalive::ask() {
  asked_ = true;
  codec_.ping();
  deadline_.arm(settings_.timeout);
}

// Jitter only adds to the interval, as Envoy's does.
void Keepalive::wait() {
  asked_ = false;
  if (settings_.interval <= Duration::zero()) return deadline_.cancel();
  const double share = double(random_.next() >> 11) * 0x1p-53 * settings_.jitter_percent / 100;
  const auto jitter = std::chrono::duration_cast<Duration>(settings_.interval * share);
  deadline_.arm(settings_.interval + jitter);
}

void Keepalive::on_deadline(event::Deadline&) {
  if (!asked_) return ask();
  if (codec_.ping_unanswered()) return owner_.on_keepalive_timeout();
  wait();
}

}  // namespace mesh::upstream
