#include "forward/forwarder.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "forward/filter/reports.h"
#include "telemetry/metric_choices.h"

namespace mesh::forward {

Forwarder::Forwarder(event::Loop& loop, Local local, std::unique_ptr<Demand> demand, WarmUp warm_up)
    : loop_(loop),
      local_(std::move(local)),
      dns_(
          loop, [this] { rebuild_later(); }, std::move(warm_up.lookup)),
      warming_(warm_up.longest),
      warm_timer_(loop, [this] { stop_warming(); }),
      rebuild_timer_(loop,
                     [this] {
                       if (auto rebuilt = rebuild(); !rebuilt)
                         log::error("configuration refused", {{"error", rebuilt.error().text}});
                     }),
      retry_timer_(loop, [this] { retry_left_out(); }),
      files_timer_(loop, [this] { look_at_files(); }),
      health_(loop,
              [this] {
                if (some_got_ready()) rebuild_later();
              }),
      demand_(std::move(demand)) {
  builder_.resolve_by([this](const std::string& cluster) { return dns_.assignment(cluster); });
  builder_.wait_by([this](const upstream::ClusterSpec& next, const upstream::ClusterSpec* now) {
    return warming_.ready(next, now, endpoints_known(next), loop_.now());
  });
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
  dns_.set(*config_);
  if (auto built = rebuild(); !built) {
    config_ = former;
    dns_.set(former ? *former : xds::Config());
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
  auto built = builder_.build(*config, secrets_, newest_);
  watch_files();
  MESH_TRY(auto snapshot, std::move(built));
  if (!builder_.left_out().empty()) retry_timer_.arm(kListenAgain);
  warming_.keep_only(*config);
  if (const auto next = warming_.next())
    warm_timer_.arm(std::max(*next - loop_.now(), Duration::zero()));
  else
    warm_timer_.cancel();
  const bool serves = newest_ != nullptr && !newest_->listeners.empty();
  if (ready_first_ && !serves && warming_clusters() > 0) {
    first_ = std::move(snapshot);
    health_.warm(*first_);
    return {};
  }
  first_.reset();
  newest_ = snapshot.get();
  for (const ListenerSpec& listener : newest_->listeners)
    if (listener.config->original_dst) own_connections_.watch();
  snapshots_.push_back({std::move(snapshot), workers_.size(), 0});
  health_.use(*newest_, config_->outlier_event_log);
  for (auto& worker : workers_) worker->apply(*newest_);
  return {};
}

// Behind the configuration that was applied before.
void Forwarder::answer_host(const std::string& host, HostAnswer answer) {
  for (auto& worker : workers_) worker->answer_host(host, answer);
}

void Forwarder::forget_unknown_hosts() {
  for (auto& worker : workers_) worker->forget_unknown_hosts();
}

bool Forwarder::endpoints_known(const upstream::ClusterSpec& cluster) const {
  if (cluster.config->discovery == xds::Cluster::Discovery::Eds)
    return cluster.assignment != nullptr;
  return dns_.resolved(cluster.name());
}

// A cluster is waited for no longer. Where that cannot be told by a configuration, none is.
void Forwarder::stop_warming() {
  const auto rebuilt = rebuild();
  if (rebuilt) return;
  log::error("configuration refused", {{"error", rebuilt.error().text}});
  for (auto& worker : workers_) worker->stop_warming();
}

// Of those that await their first checks.
bool Forwarder::some_got_ready() const {
  const Snapshot* const snapshot = first_ ? first_.get() : newest_;
  if (snapshot == nullptr) return false;
  const auto names = warming_.names();
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    auto found = snapshot->coming.find(name);
    if (found == snapshot->coming.end()) found = snapshot->clusters.find(name);
    return found != snapshot->clusters.end() && endpoints_known(*found->second) &&
           !upstream::awaits_first_check(*found->second);
  });
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

// Only when one of them can be bound now is there a reason to build anew.
void Forwarder::retry_left_out() {
  if (!config_) return;
  for (const auto& [name, error] : builder_.left_out()) {
    const auto found =
        std::find_if(config_->listeners.begin(), config_->listeners.end(),
                     [&, &name = name](const auto& listener) { return listener->name == name; });
    if (found == config_->listeners.end() || !builder_.prepare(*found, *config_, secrets_))
      continue;
    log::notice("listening now", {{"listener", name}});
    return rebuild_later();
  }
  retry_timer_.arm(kListenAgain);
}

void Forwarder::watch_files() {
  if (secrets_.reads_files() && !files_timer_.armed()) files_timer_.arm(kLookAtFiles);
}

void Forwarder::look_at_files() {
  if (secrets_.files_changed()) {
    log::notice("files of certificates have changed");
    rebuild_later();
    if (files_changed_) files_changed_();
  }
  watch_files();
}

// Answers come one by one: those of a turn are one change.
void Forwarder::rebuild_later() {
  if (config_) rebuild_timer_.arm(Duration::zero());
}

void Forwarder::post(std::function<void()> task) const {
  loop_.post([alive = alive_, task = std::move(task)] {
    if (*alive) task();
  });
}

void Forwarder::read_facts(size_t facts_max,
                           std::function<void(std::vector<RequestFact>)> done) const {
  struct Gathered {
    std::vector<RequestFact> facts;
    size_t missing = 0;
    std::function<void(std::vector<RequestFact>)> done;
  };
  auto all = std::make_shared<Gathered>();
  all->missing = workers_.size();
  all->done = std::move(done);
  for (const auto& worker : workers_)
    worker->read_facts(facts_max, [this, all](std::vector<RequestFact> facts) {
      post([all, facts = std::move(facts)]() mutable {
        std::move(facts.begin(), facts.end(), std::back_inserter(all->facts));
        if (--all->missing != 0) return;
        std::stable_sort(all->facts.begin(), all->facts.end(),
                         [](const auto& a, const auto& b) { return a.at < b.at; });
        all->done(std::move(all->facts));
      });
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
    if (held->snapshot->holds_routes) return;  // not with all its routes
    generation_in_force_ = held->snapshot->generation;
    if (in_force_) in_force_(generation_in_force_);
  });
}

// The queue's last are served: closing would reset them.
void Forwarder::close(const ListenerSpec& listener) {
  if (!listener.socket) return;
  for (int i = 0; i < kLastAccepted && !listener.socket->stopped(); ++i) {
    if (listener.socket->shared()) break;  // they are another's
    net::Accepted accepted = net::accept(listener.socket->fd());
    if (!accepted.fd) break;
    least_loaded().adopt(listener.config->name, std::move(accepted.fd));
  }
  listener.socket->stop_listening();
}

// Connections that drain pin their old configuration and its sockets with it:
// where nobody accepts any more, nobody is to be kept waiting.
void Forwarder::close_left_sockets(const Snapshot& now) {
  for (const Held& held : snapshots_) {
    if (held.snapshot.get() == &now) return;  // what follows is newer
    for (const ListenerSpec& old : held.snapshot->listeners) {
      const bool kept = std::any_of(now.listeners.begin(), now.listeners.end(),
                                    [&](const auto& l) { return l.socket == old.socket; });
      if (!kept) close(old);
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
    for (const ListenerSpec& l : newest_->listeners) close(l);
  });
}

void Forwarder::on_drained(size_t) {
  post([this] {
    // One that was done may have been handed a connection by another since.
    const bool all = draining_workers_ == workers_.size() && connections() == 0;
    if (all && drained_) std::exchange(drained_, nullptr)();
  });
}

void Forwarder::drain(Duration longest, std::function<void()> done) {
  drained_ = std::move(done);
  closed_ = false;  // a later configuration opens none of them again
  for (auto& worker : workers_) worker->drain(longest);
}

void Forwarder::collect(telemetry::Snapshot& into) const {
  for (const auto& worker : workers_) worker->registry().collect(into);
  filter::add_numbers(breakers(), into);
  overload_.add_numbers(into);
  filter::add_numbers(builder_.filters().rate_limits(), into);
  filter::add_numbers(builder_.filters().adaptive_limits(), into);
  filter::add_numbers(builder_.filters().rbacs(), into);
  for (const auto& [name, error] : builder_.left_out())
    into.numbers[{"mesh_listener_down", {{"error", error}, {"listener", name}}, true}] = 1;
  filter::add_numbers(builder_.filters().jwts(), into);
  filter::add_numbers(builder_.filters().ext_authzs(), into);
  builder_.admissions().add_numbers(into);
  if (demand_) demand_->add_numbers(into);
  into.numbers[{"mesh_forwarder_warming_clusters", {}, true}] += warming_clusters();
  span_relay_.add_numbers(into);
  telemetry::NumberKey dropped;
  dropped.name = "mesh_forwarder_access_log_dropped_total";
  into.numbers[std::move(dropped)] += builder_.logs().writer().dropped_lines();
  if (newest_ != nullptr)
    telemetry::apply(newest_->metrics[0].get(), newest_->metrics[1].get(), into);
}

std::vector<size_t> Forwarder::loads() const {
  std::vector<size_t> loads;
  for (const auto& worker : workers_) loads.push_back(worker->load());
  return loads;
}

size_t Forwarder::connections() const {
  size_t sum = 0;
  for (const auto& worker : workers_) sum += worker->load();
  return sum;
}

}  // namespace mesh::forward
