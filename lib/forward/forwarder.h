// Forwarder: the data plane as a whole: workers, the configuration they run on,
// and what is watched over them from the main thread.
//
// Knows neither bus nor files: configuration and identity are handed to it,
// counters are taken from it. Main thread, but for what says otherwise.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "event/loop.h"
#include "event/memory_trimmer.h"
#include "forward/demand.h"
#include "forward/dns_clusters.h"
#include "forward/health_keeper.h"
#include "forward/local.h"
#include "forward/overload.h"
#include "forward/secrets.h"
#include "forward/snapshot.h"
#include "forward/span_relay.h"
#include "forward/warming.h"
#include "forward/worker.h"
#include "telemetry/registry.h"
#include "xds/values.h"

namespace mesh::forward {

class Forwarder final : public Worker::Host {
 public:
  static constexpr uint32_t kWorkersMax = 64;
  static constexpr Duration kListenAgain = std::chrono::seconds(1);
  static constexpr Duration kLookAtFiles = std::chrono::seconds(5);
  static constexpr int kLastAccepted = 4096;  // from the queue of a listener that closes

  // How clusters get ready.
  struct WarmUp {
    net::Resolver::Lookup lookup = net::Resolver::system_lookup;
    Duration longest = upstream::Cluster::kColdMax;
  };

  // Begins the workers' threads: signals are to be blocked in them only, so call
  // it on the main thread. `loop` is its loop and outlives us.
  // `demand`: who asks for hosts that requests name and the configuration does not have; null:
  // nobody does.
  Forwarder(event::Loop& loop, Local local, std::unique_ptr<Demand> demand = nullptr)
      : Forwarder(loop, std::move(local), std::move(demand), WarmUp()) {}
  Forwarder(event::Loop& loop, Local local, std::unique_ptr<Demand> demand, WarmUp warm_up);
  // Ends the threads and closes what is open.
  ~Forwarder();
  Forwarder(const Forwarder&) = delete;
  Forwarder& operator=(const Forwarder&) = delete;

  // Takes a configuration into use at once: what leads to clusters that are not ready waits for
  // these alone (Warming). An error names the resource, and everything stays as it was.
  // on_in_force() tells when all workers use it, with all its routes.
  Result<void> apply(std::shared_ptr<const xds::Config> config);
  // Another forwarder serves meanwhile: the first configuration that has listeners is used once its
  // clusters are ready.
  void be_ready_first() { ready_first_ = true; }

  // A new identity: contexts are made anew, connections under the old one are
  // drained. Errors as apply().
  Result<void> set_identity(identity::Svid svid, identity::TrustBundle bundle);
  const Secrets& secrets() const { return secrets_; }
  // Files of certificates are looked at now and then; contexts of those that have changed
  // are made anew. `told` runs on the main loop then: what was refused for its files may
  // be right now.
  void on_files_changed(std::function<void()> told) { files_changed_ = std::move(told); }

  // What became of a host that was asked for. One that is found is in the configuration last
  // applied.
  void answer_host(const std::string& host, HostAnswer answer);
  // There may be other hosts: what nobody had is asked for anew.
  void forget_unknown_hosts();
  Demand* demand() override { return demand_.get(); }
  SpanRelay& span_relay() override { return span_relay_; }

  // `done(generation)` runs on the main loop each time all workers came to use a
  // configuration.
  void on_in_force(std::function<void(const std::string& generation)> done) {
    in_force_ = std::move(done);
  }
  // Of the configuration that all workers use; empty before the first.
  const std::string& generation_in_force() const { return generation_in_force_; }
  bool ready() const { return ready_; }

  // Accepts no more, ends connections as they become idle, the rest at the
  // deadline; `done` runs once on the main loop.
  void drain(Duration longest, std::function<void()> done);

  // Listeners take nothing new from now on, their clients are told to go, and no
  // later configuration opens them again; the process goes on. With `inbound_only`
  // those of direction INBOUND (Envoy's /drain_listeners).
  void close_listeners(bool inbound_only);
  // Only tells the clients: HTTP/2 by GOAWAY, HTTP/1 with the next response.
  void say_goodbye(bool inbound_only);

  // Adds all workers' counters, and gauges of our own.
  void collect(telemetry::Snapshot& into) const;

  // Whether this listener could be used: its chains, and its address, which is
  // bound and kept for the next apply(). For whoever must answer for each
  // resource by itself. Errors as apply().
  Result<void> prepare(const std::shared_ptr<const xds::Listener>& listener,
                       const xds::Config& context) {
    auto prepared = builder_.prepare(listener, context, secrets_);
    watch_files();
    return prepared;
  }

  // What the process sheds when it runs short; nothing before the first call.
  void set_overload(resilience::OverloadPolicy policy) { overload_.set(std::move(policy)); }

  // What active health checks find.
  const upstream::HealthChecker& checks() const { return health_.checker(); }

  // Who takes the spans of sampled requests; before the first, and for good without one, they
  // are dropped and counted.
  void report_spans_by(SpanRelay::Report report) { span_relay_.report_by(std::move(report)); }

  // The circuit breakers of the configurations in use, by name.
  std::vector<filter::BreakerReport> breakers() const {
    return builder_.filters().breakers(loop_.now());
  }

  // The newest facts of requests, `facts_max` of each worker, in the order of their
  // times. `done` runs on the main loop, or never where we end before.
  void read_facts(size_t facts_max, std::function<void(std::vector<RequestFact>)> done) const;

  // The configuration last applied; null before the first.
  const Snapshot* snapshot() const { return snapshots_.empty() ? nullptr : newest_; }
  // Of it, clusters that are not used as they are configured, because they are not ready.
  size_t warming_clusters() const { return warming_.size(); }
  const Local& local() const { return local_; }
  // A listener whose address another process has is no error for apply() from now on:
  // it is tried again until it can be bound, and named by listeners_left_out().
  void tolerate_taken_addresses() { builder_.tolerate_taken(); }
  const std::map<std::string, std::string>& listeners_left_out() const {
    return builder_.left_out();
  }
  // Access logs are opened anew by their names, after they were moved (SIGUSR1).
  void reopen_logs() { builder_.logs().reopen(); }
  // Listening sockets that come from elsewhere are put here before apply().
  net::ListenerSet& sockets() { return builder_.sockets(); }
  // The main loop's time.
  Instant now() const { return loop_.now(); }
  // From downstream, over all workers. Any thread.
  size_t connections() const override;
  // The same by worker.
  std::vector<size_t> loads() const;

 private:
  struct Held {
    std::unique_ptr<const Snapshot> snapshot;
    size_t used = 0;      // by so many workers
    size_t in_force = 0;  // so many workers came to use it
  };

  void on_snapshot_in_force(size_t worker, const Snapshot& snapshot) override;
  void on_snapshot_released(size_t worker, const Snapshot& snapshot) override;
  void on_ejection(size_t worker) override;
  void on_drain_begun(size_t worker) override;
  void on_drained(size_t worker) override;
  Worker& least_loaded() override;
  const OverloadState& overload() const override { return overload_.state(); }
  upstream::OwnConnections& own_connections() override { return own_connections_; }

  Result<void> rebuild();
  void rebuild_later();
  void stop_warming();
  bool endpoints_known(const upstream::ClusterSpec& cluster) const;
  bool some_got_ready() const;
  void retry_left_out();
  void watch_files();
  void look_at_files();
  std::shared_ptr<const xds::Config> without_closed() const;
  void post(std::function<void()> task) const;
  Held* find(const Snapshot& snapshot);
  void drop_unused();
  void close(const ListenerSpec& listener);
  void close_left_sockets(const Snapshot& now);

  event::Loop& loop_;
  const Local local_;
  Secrets secrets_;
  SnapshotBuilder builder_;
  DnsClusters dns_;
  Warming warming_;
  bool ready_first_ = false;
  std::unique_ptr<const Snapshot> first_;  // not used before its clusters are ready
  event::Timer warm_timer_;
  event::Timer rebuild_timer_;
  event::Timer retry_timer_;  // of listeners that were left out
  event::Timer files_timer_;  // of certificates
  std::shared_ptr<const xds::Config> config_;
  std::vector<Held> snapshots_;
  const Snapshot* newest_ = nullptr;
  std::string generation_in_force_;
  std::optional<bool> closed_;  // listeners were: true, the inbound ones only
  bool ready_ = false;
  std::function<void(const std::string&)> in_force_;
  std::function<void()> drained_;
  std::function<void()> files_changed_;
  size_t draining_workers_ = 0;
  HealthKeeper health_;
  // Tasks that workers posted look at it: false once we are gone.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  upstream::OwnConnections own_connections_;
  OverloadManager overload_{loop_, [this] { return connections(); }};  // before workers_
  SpanRelay span_relay_{loop_};                                        // before workers_
  // A connection explains 32 KiB.
  event::MemoryTrimmer trimmer_{loop_, 16U << 20, [this] { return connections() * (32U << 10); }};
  const std::unique_ptr<Demand> demand_;  // before workers_
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace mesh::forward
