#include "forward/worker.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "forward/capture.h"
#include "forward/connection.h"
#include "forward/exchange.h"

namespace mesh::forward {
namespace {

constexpr Duration kLogEvery = std::chrono::milliseconds(250);
constexpr Duration kPreviousKept = std::chrono::seconds(1);
constexpr Duration kSweepEvery = std::chrono::seconds(5);
// Of idle connections, until codecs go; sooner where so many connections have come since the last
// sweep that what they hold is worth it. A sweep then costs each of them eight looks at most.
constexpr Duration kRestAfter = std::chrono::seconds(1);
constexpr Duration kRestInBurst = std::chrono::milliseconds(100);
constexpr size_t kBurst = 256;
// Who came last in a burst has been idle for long enough by then.
constexpr Duration kSweepAfterBurst = kRestAfter + std::chrono::milliseconds(500);
constexpr size_t kExchangesKept = 1024;
constexpr size_t kExtrasKept = 128;
constexpr uint32_t kLinesASecond = 10;  // of those that a peer can cause

}  // namespace

Worker::Worker(size_t index, Host& host, const Local& local)
    : index_(index),
      host_(host),
      local_(local),
      overload_(host.overload()),
      random_(Random::from_system()),
      endpoints_(loop_, blocks_, registry_, random_, uint32_t(index)),
      awaited_hosts_(host.demand()),
      facts_(local.facts_max),
      spans_(loop_.wheel(), host.span_relay()),
      log_deadline_(loop_.wheel(), *this),
      sweep_deadline_(loop_.wheel(), *this),
      drain_deadline_(loop_.wheel(), *this),
      previous_deadline_(loop_.wheel(), *this) {
  const std::vector<std::pair<std::string, std::string>> none;
  connections_total_ = &registry_.number("mesh_forwarder_downstream_connections_total", none);
  connections_refused_ =
      &registry_.number("mesh_forwarder_downstream_connections_refused_total", none);
  loops_refused_ = &registry_.number("mesh_forwarder_capture_loops_refused_total", none);
  connections_active_ =
      &registry_.number("mesh_forwarder_downstream_connections_active", none, true);
  connections_resting_ =
      &registry_.number("mesh_forwarder_downstream_connections_resting", none, true);
  upgrades_total_ = &registry_.number("mesh_forwarder_downstream_cx_upgrades_total", none);
  upgrades_active_ = &registry_.number("mesh_forwarder_downstream_cx_upgrades_active", none, true);
  endpoints_.use(host_.own_connections());
  sweep_deadline_.arm(kSweepEvery);
}

void Worker::count_tunnel(bool begins) {
  if (begins) upgrades_total_->add();
  tunnels_ += begins ? size_t(1) : size_t(-1);
  upgrades_active_->set(tunnels_);
}

Worker::~Worker() { MESH_CHECK(!thread_.joinable()); }

void Worker::run() {
  // Signals are the main thread's.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] {
    loop_.run();
    close_all("stopping");
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Worker::stop() { loop_.stop(); }

void Worker::join() {
  if (thread_.joinable()) thread_.join();
}

// On the worker's thread, after its loop: in the order of who refers to whom.
void Worker::close_all(std::string_view why) {
  acceptors_.clear();
  while (!connections_.empty()) connections_.back()->abort(why);
  for (auto& exchange : exchanges_) exchange->abandon();
  mirrors_.abandon();
  loop_.run_once(Duration::zero());
  logs_.flush();
  spans_.flush();
  previous_deadline_.cancel();
  if (previous_ != nullptr) std::exchange(previous_, nullptr)->release();
  if (view_ != nullptr) std::exchange(view_, nullptr)->release();
  loop_.run_once(Duration::zero());
  loop_.run_once(Duration::zero());
  exchanges_.clear();
  free_exchanges_.clear();
}

void Worker::apply(const Snapshot& snapshot) {
  loop_.post([this, &snapshot] { use(snapshot); });
}

void Worker::use(const Snapshot& snapshot) {
  auto owned = std::make_unique<View>(snapshot, endpoints_, registry_, local_, random_, *this);
  View* const former = view_;
  if (!draining_) accept_from_leaving(snapshot);
  view_ = owned.get();
  view_->retain();
  views_.push_back(std::move(owned));
  if (!draining_) update_acceptors(snapshot);
  // A connection that drains may leave the list at once.
  for (size_t i = connections_.size(); i-- > 0;)
    if (i < connections_.size()) connections_[i]->rebind(*view_);
  // Connections to a listener that went may be on their way to us from another worker.
  if (previous_ != nullptr) previous_->release();
  previous_ = former;
  if (previous_ != nullptr) previous_deadline_.arm(kPreviousKept);
  warm_up(&snapshot);
  host_.on_snapshot_in_force(index_, snapshot);
}

// What waits in one view may end others with what it leads to.
void Worker::warm_up(const Snapshot* now) {
  for (size_t i = views_.size(); i-- > 0;) {
    if (i >= views_.size()) continue;
    View& view = *views_[i];
    view.retain();
    view.warm_up(now);
    view.release();
  }
}

void Worker::stop_warming() {
  loop_.post([this] { warm_up(nullptr); });
}

// What waits at a listener that the new configuration lacks is served by the old one.
void Worker::accept_from_leaving(const Snapshot& next) {
  accept_here_ = true;
  for (auto& acceptor : acceptors_) {
    const ListenerSpec* const spec = next.listener(acceptor->listener());
    if (spec == nullptr || spec->socket.get() != &acceptor->socket()) acceptor->accept_waiting();
  }
  accept_here_ = false;
}

void Worker::update_acceptors(const Snapshot& snapshot) {
  std::vector<std::unique_ptr<Acceptor>> kept;
  for (const ListenerSpec& spec : snapshot.listeners) {
    if (!spec.socket) continue;
    const auto same = std::find_if(acceptors_.begin(), acceptors_.end(), [&](const auto& a) {
      return a && a->listener() == spec.config->name && &a->socket() == spec.socket.get();
    });
    if (same != acceptors_.end()) {
      kept.push_back(std::move(*same));
      continue;
    }
    auto acceptor = std::make_unique<Acceptor>(loop_, *this, spec.config->name, spec.socket);
    if (auto started = acceptor->start(); !started) {
      log::error("cannot watch listener",
                 {{"listener", spec.config->name}, {"error", started.error().text}});
      continue;
    }
    kept.push_back(std::move(acceptor));
  }
  acceptors_ = std::move(kept);
}

void Worker::on_accepted(const std::string& listener, UniqueFd fd) {
  if (refuses_connection()) {
    connections_refused_->add();
    return;  // closed
  }
  Worker& other = host_.least_loaded();
  const size_t mine = load();
  const size_t least = other.load();
  if (&other != this && !accept_here_ && mine > least + least / 8)
    return other.adopt(listener, std::move(fd));
  load_.fetch_add(1, std::memory_order_relaxed);
  serve(listener, std::move(fd));
}

// By the overload manager's limit, or while it says so.
bool Worker::refuses_connection() const {
  if (overload_.is(resilience::OverloadAction::RejectConnections)) return true;
  const uint64_t most = overload_.connections_max.load(std::memory_order_relaxed);
  return most != 0 && host_.connections() >= most;
}

void Worker::adopt(std::string listener, UniqueFd fd) {
  // Counted at once, so that a burst is spread and not piled on the emptiest.
  load_.fetch_add(1, std::memory_order_relaxed);
  loop_.post(
      [this, listener = std::move(listener), fd = std::make_shared<UniqueFd>(std::move(fd))] {
        serve(listener, std::move(*fd));
        if (draining_ && connections_.empty()) finish_drain();
      });
}

void Worker::answer_host(std::string host, HostAnswer answer) {
  loop_.post([this, host = std::move(host), answer] {
    awaited_hosts_.on_answer(host, answer, loop_.now());
  });
}

void Worker::forget_unknown_hosts() {
  loop_.post([this] { awaited_hosts_.forget(); });
}

void Worker::read_facts(size_t facts_max, std::function<void(std::vector<RequestFact>)> done) {
  loop_.post([this, facts_max, done = std::move(done)] { done(facts_.read(facts_max)); });
}

void Worker::serve(const std::string& listener, UniqueFd fd) {
  if (!begin(listener, std::move(fd))) load_.fetch_sub(1, std::memory_order_relaxed);
}

bool Worker::begin(const std::string& listener, UniqueFd fd) {
  if (view_ == nullptr) return false;
  View* view = view_;
  const ListenerSpec* spec = view->snapshot().listener(listener);
  if (spec == nullptr && previous_ != nullptr) {
    // It went with a configuration while this one was on its way: served by the last.
    view = previous_;
    spec = view->snapshot().listener(listener);
  }
  if (spec == nullptr) return false;
  Captured captured{.listener = spec, .destination = {}};
  if (spec->config->original_dst)
    captured = capture(view->snapshot(), *spec, fd.get(), host_.own_connections());
  if (captured.listener == nullptr) {
    refuse_loop(*spec);
    return false;
  }
  auto connection = std::make_unique<Connection>(*this, *view, *captured.listener);
  connection->slot = uint32_t(connections_.size());
  Connection& started = *connection;
  connections_.push_back(std::move(connection));
  connections_total_->add();
  connections_active_->set(connections_.size());
  started.start(std::move(fd), captured.destination);
  if (view != view_ || draining_) started.drain("the listener has gone");
  note_arrival();
  return true;
}

// In a burst the idle ones are looked at sooner.
void Worker::note_arrival() {
  if (++fresh_ < std::max(kBurst, connections_.size() / 8)) return;
  rest_idle(kRestInBurst);
  if (sweep_deadline_.at() > loop_.now() + kSweepAfterBurst) sweep_deadline_.arm(kSweepAfterBurst);
}

void Worker::refuse_loop(const ListenerSpec& listener) {
  loops_refused_->add();
  if (may_log())
    log::warning("a connection of our own was redirected to us: exclude the forwarder's user",
                 {{"listener", listener.config->name}});
}

void Worker::remove(Connection& connection) {
  const size_t slot = connection.slot;
  if (slot + 1 != connections_.size()) {
    std::swap(connections_[slot], connections_.back());
    connections_[slot]->slot = uint32_t(slot);
  }
  loop_.retire(std::move(connections_.back()));
  connections_.pop_back();
  load_.fetch_sub(1, std::memory_order_relaxed);
  connections_active_->set(connections_.size());
  if (draining_ && connections_.empty()) finish_drain();
}

Exchange& Worker::take_exchange() {
  if (free_exchanges_.empty()) {
    exchanges_.push_back(std::make_unique<Exchange>(*this));
    exchanges_.back()->slot = exchanges_.size() - 1;
    return *exchanges_.back();
  }
  Exchange& exchange = *free_exchanges_.back();
  free_exchanges_.pop_back();
  return exchange;
}

void Worker::recycle(Exchange& exchange) {
  if (free_exchanges_.size() < kExchangesKept) {
    free_exchanges_.push_back(&exchange);
    return;
  }
  const size_t slot = exchange.slot;
  std::swap(exchanges_[slot], exchanges_.back());
  exchanges_[slot]->slot = slot;
  loop_.retire(std::move(exchanges_.back()));
  exchanges_.pop_back();
}

std::unique_ptr<Extras> Worker::take_extras() {
  if (free_extras_.empty()) return std::make_unique<Extras>();
  auto extras = std::move(free_extras_.back());
  free_extras_.pop_back();
  return extras;
}

void Worker::recycle(std::unique_ptr<Extras> extras) {
  // A part of it may be at work in a callback just now.
  if (extras->hedge) return loop_.retire(std::move(extras));
  extras->clear();
  if (free_extras_.size() < kExtrasKept) free_extras_.push_back(std::move(extras));
}

void Worker::log(const std::shared_ptr<const LogSink>& sink, const telemetry::AccessEntry& entry) {
  if (!sink->takes(entry, random_)) return;
  if (logs_.append(sink, entry)) logs_.flush();
  if (!logs_.empty() && !log_deadline_.armed()) log_deadline_.arm(kLogEvery);
}

bool Worker::may_log() {
  if (loop_.now() - log_second_ >= std::chrono::seconds(1)) {
    log_second_ = loop_.now();
    logged_ = 0;
  }
  return ++logged_ <= kLinesASecond;
}

void Worker::on_view_unused(View& view) {
  const auto found =
      std::find_if(views_.begin(), views_.end(), [&](const auto& v) { return v.get() == &view; });
  MESH_CHECK(found != views_.end());
  loop_.retire(std::move(*found));
  views_.erase(found);
}

void Worker::on_view_destroyed(const Snapshot& snapshot) {
  host_.on_snapshot_released(index_, snapshot);
}

void Worker::on_deadline(event::Deadline& deadline) {
  if (&deadline == &log_deadline_) return logs_.flush();
  if (&deadline == &previous_deadline_) return std::exchange(previous_, nullptr)->release();
  if (&deadline == &drain_deadline_) {
    // Time is over for those that are left.
    while (!connections_.empty()) connections_.back()->abort("drain deadline");
    return finish_drain();
  }
  for (size_t i = exchanges_.size(); i-- > 0;)
    if (i < exchanges_.size()) exchanges_[i]->check_idle();
  rest_idle(kRestAfter);
  sweep_deadline_.arm(kSweepEvery);
}

void Worker::rest_idle(Duration after) {
  fresh_ = 0;
  size_t resting = 0;
  for (const auto& connection : connections_) {
    connection->rest_if_idle(after);
    if (connection->resting()) ++resting;
  }
  connections_resting_->set(resting);
}

void Worker::drain(Duration longest) {
  loop_.post([this, longest] { begin_drain(longest); });
}

void Worker::say_goodbye(bool inbound_only) {
  loop_.post([this, inbound_only] {
    for (size_t i = connections_.size(); i-- > 0;)
      if (i < connections_.size() && (!inbound_only || connections_[i]->inbound()))
        connections_[i]->drain("listeners are drained");
  });
}

void Worker::begin_drain(Duration longest) {
  if (draining_) return;
  accept_here_ = true;
  for (auto& acceptor : acceptors_) acceptor->accept_waiting();
  accept_here_ = false;
  draining_ = true;
  acceptors_.clear();
  host_.on_drain_begun(index_);
  drain_deadline_.arm(longest);
  for (size_t i = connections_.size(); i-- > 0;)
    if (i < connections_.size()) connections_[i]->drain("stopping");
  if (connections_.empty()) finish_drain();
}

void Worker::finish_drain() {
  logs_.flush();
  spans_.flush();
  host_.on_drained(index_);
}

}  // namespace mesh::forward
