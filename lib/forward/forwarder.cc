#include "forward/forwarder.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/log.h"

namespace mesh::forward {

Forwarder::Forwarder(event::Loop& loop, Local local)
    : loop_(loop), local_(std::move(local)), health_(loop) {
  const uint32_t count = std::clamp(local_.workers, 1U, kWorkersMax);
  for (uint32_t i = 0; i < count; ++i)
    workers_.push_back(std::make_unique<Worker>(i, *this, local_));
  for (auto& worker : workers_) worker->run();
}

Forwarder::~Forwarder() {
  for (auto& worker : workers_) worker->stop();
  for (auto& worker : workers_) worker->join();
  *alive_ = false;
  // Workers let go of snapshots before the snapshots go.
  workers_.clear();
}

Result<void> Forwarder::apply(std::shared_ptr<const xds::Config> config) {
  const auto former = std::exchange(config_, std::move(config));
  if (auto built = rebuild(); !built) {
    config_ = former;
    return built;
  }
  return {};
}

Result<void> Forwarder::set_identity(identity::Svid svid, identity::TrustBundle bundle) {
  secrets_.set_identity(std::move(svid), std::move(bundle));
  return config_ ? rebuild() : Result<void>();
}

Result<void> Forwarder::rebuild() {
  const auto config = closed_ ? without_closed() : config_;
  MESH_TRY(auto snapshot, builder_.build(*config, secrets_, newest_));
  newest_ = snapshot.get();
  snapshots_.push_back({std::move(snapshot), workers_.size(), 0});
  health_.use(*newest_);
  for (auto& worker : workers_) worker->apply(*newest_);
  return {};
}

// A listener that is closed for good is one that no configuration has.
std::shared_ptr<const xds::Config> Forwarder::without_closed() const {
  auto config = std::make_shared<xds::Config>(*config_);
  std::erase_if(config->listeners, [this](const auto& listener) {
    return !*closed_ || listener->direction == xds::TrafficDirection::Inbound;
  });
  return config;
}

void Forwarder::close_listeners(bool inbound_only) {
  closed_ = inbound_only && closed_.value_or(true);
  if (!config_) return;
  if (auto rebuilt = rebuild(); !rebuilt)
    log::error("cannot close the listeners", {{"error", rebuilt.error().text}});
}

void Forwarder::say_goodbye(bool inbound_only) {
  for (auto& worker : workers_) worker->say_goodbye(inbound_only);
}

void Forwarder::post(std::function<void()> task) {
  loop_.post([alive = alive_, task = std::move(task)] {
    if (*alive) task();
  });
}

Forwarder::Held* Forwarder::find(const Snapshot& snapshot) {
  for (Held& held : snapshots_)
    if (held.snapshot.get() == &snapshot) return &held;
  return nullptr;
}

void Forwarder::on_snapshot_in_force(size_t, const Snapshot& snapshot) {
  post([this, &snapshot] {
    Held* const held = find(snapshot);
    MESH_CHECK(held != nullptr);
    if (++held->in_force < workers_.size()) return;
    close_left_sockets(*held->snapshot);
    ready_ = true;
    generation_in_force_ = held->snapshot->generation;
    if (in_force_) in_force_(generation_in_force_);
  });
}

// Connections that drain pin their old configuration and its sockets with it:
// where nobody accepts any more, nobody is to be kept waiting.
void Forwarder::close_left_sockets(const Snapshot& now) {
  for (const Held& held : snapshots_) {
    if (held.snapshot.get() == &now) return;  // what follows is newer
    for (const ListenerSpec& old : held.snapshot->listeners) {
      const bool kept = std::any_of(now.listeners.begin(), now.listeners.end(),
                                    [&](const auto& l) { return l.socket == old.socket; });
      if (!kept) old.socket->stop_listening();
    }
  }
}

void Forwarder::on_snapshot_released(size_t, const Snapshot& snapshot) {
  post([this, &snapshot] {
    Held* const held = find(snapshot);
    MESH_CHECK(held != nullptr && held->used > 0);
    if (--held->used == 0) drop_unused();
  });
}

// Destruction of a configuration happens here, whoever used it last.
void Forwarder::drop_unused() {
  std::erase_if(snapshots_, [this](const Held& held) {
    return held.used == 0 && held.snapshot.get() != newest_;
  });
}

void Forwarder::on_ejection(size_t) {
  post([this] { health_.on_ejection(); });
}

Worker& Forwarder::least_loaded() {
  Worker* best = workers_.front().get();
  for (const auto& worker : workers_)
    if (worker->load() < best->load()) best = worker.get();
  return *best;
}

void Forwarder::on_drain_begun(size_t) {
  post([this] {
    if (++draining_workers_ < workers_.size() || newest_ == nullptr) return;
    for (const ListenerSpec& l : newest_->listeners) l.socket->stop_listening();
  });
}

void Forwarder::on_drained(size_t) {
  post([this] {
    if (++drained_workers_ == workers_.size() && drained_) std::exchange(drained_, nullptr)();
  });
}

void Forwarder::drain(Duration longest, std::function<void()> done) {
  drained_ = std::move(done);
  for (auto& worker : workers_) worker->drain(longest);
}

void Forwarder::collect(telemetry::Snapshot& into) const {
  for (const auto& worker : workers_) worker->registry().collect(into);
}

size_t Forwarder::connections() const {
  size_t sum = 0;
  for (const auto& worker : workers_) sum += worker->load();
  return sum;
}

}  // namespace mesh::forward
