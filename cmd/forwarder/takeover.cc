#include "cmd/forwarder/takeover.h"

#include <unistd.h>

#include "base/log.h"

namespace mesh::forwarder {

namespace handover = net::handover;
using Interest = event::Watch::Interest;

Takeover::Takeover(event::Loop& loop, forward::Forwarder& forwarder, std::string path,
                   std::function<void()> drain)
    : loop_(loop),
      forwarder_(forwarder),
      path_(std::move(path)),
      drain_(std::move(drain)),
      giver_end_(loop, [this] { on_giver_gone(); }),
      listener_end_(loop, [this] { on_taker(); }),
      taker_end_(loop, [this] { on_word(); }) {}

Result<void> Takeover::take(bool must) {
  auto taken = handover::take(path_, kTakeMax);
  if (!taken) {
    if (!must && taken.error().kind == Errc::NotFound) return {};
    return std::move(taken).error();
  }
  for (net::Inherited& inherited : taken->sockets)
    forwarder_.sockets().provide(std::move(inherited));
  giver_ = std::move(taken->giver);
  took_over_ = true;
  log::notice("taking over", {{"listeners", taken->sockets.size()}, {"from", path_}});
  return {};
}

// The giver frees the path and closes: then it is ours.
Result<void> Takeover::serve() {
  if (listener_ || giver_end_.watch.started()) return {};
  if (!giver_) return listen();
  handover::say_ready(giver_.get());
  return giver_end_.watch.start(giver_.get(), Interest::Read);
}

void Takeover::on_giver_gone() {
  giver_end_.watch.stop();
  giver_.reset();
  if (auto listening = listen(); !listening)
    log::error("no successor can take over", {{"error", listening.error().text}});
}

Result<void> Takeover::listen() {
  MESH_TRY(listener_, handover::listen(path_));
  return listener_end_.watch.start(listener_.get(), Interest::Read);
}

void Takeover::on_taker() {
  auto taker = handover::accept(listener_.get());
  if (!taker) return log::warning("takeover refused", {{"error", taker.error().text}});
  if (!*taker) return;
  listener_end_.watch.again(true, false);
  // One at a time: another one asks again.
  if (taker_) return;
  if (auto given = handover::give(taker->get(), forwarder_.sockets().entries()); !given)
    return log::warning("cannot hand over", {{"error", given.error().text}});
  taker_ = *std::move(taker);
  if (auto watched = taker_end_.watch.start(taker_.get(), Interest::Read); !watched) taker_.reset();
}

void Takeover::on_word() {
  const auto ready = handover::said_ready(taker_.get());
  if (ready && !*ready) return;
  taker_end_.watch.stop();
  if (!ready) {
    log::warning("a successor went before it was ready");
    return taker_.reset();
  }
  // The sockets are the successor's from here on, and so is the path.
  for (const auto& entry : forwarder_.sockets().entries()) entry.socket->share();
  listener_end_.watch.stop();
  listener_.reset();
  if (!path_.starts_with('@')) ::unlink(path_.c_str());
  taker_.reset();
  log::notice("a successor serves; draining");
  drain_();
}

}  // namespace mesh::forwarder
