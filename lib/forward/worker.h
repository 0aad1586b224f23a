// Worker: a thread with all it needs of its own: loop, buffers, connections,
// pools, counters, chance.
//
// The main thread hands it snapshots, and reads its counters; nothing else is
// shared, but where a limit is configured. All methods belong to the worker's
// thread unless they say otherwise.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "event/loop.h"
#include "forward/acceptor.h"
#include "forward/awaited_hosts.h"
#include "forward/fact_ring.h"
#include "forward/grpc_stats.h"
#include "forward/held_sockets.h"
#include "forward/local.h"
#include "forward/log_sink.h"
#include "forward/mirror.h"
#include "forward/overload.h"
#include "forward/route_stats.h"
#include "forward/snapshot.h"
#include "forward/span_buffer.h"
#include "forward/view.h"
#include "http/read_buffer.h"
#include "telemetry/registry.h"
#include "upstream/cluster.h"

namespace mesh::forward {

class Connection;
class Exchange;
struct Extras;

class Worker final : public Acceptor::Owner, public View::Owner, private event::Deadline::Owner {
 public:
  // What workers tell the main thread and each other. Any thread.
  class Host {
   public:
    virtual void on_snapshot_in_force(size_t worker, const Snapshot& snapshot) = 0;
    virtual void on_snapshot_released(size_t worker, const Snapshot& snapshot) = 0;
    virtual void on_ejection(size_t worker) = 0;
    // Has taken its last connection from the listeners.
    virtual void on_drain_begun(size_t worker) = 0;
    virtual void on_drained(size_t worker) = 0;
    virtual Worker& least_loaded() = 0;
    virtual size_t connections() const = 0;             // from downstream, over all workers
    virtual const OverloadState& overload() const = 0;  // outlives the workers, as the next
    virtual upstream::OwnConnections& own_connections() = 0;
    virtual SpanRelay& span_relay() = 0;
    virtual Demand* demand() = 0;  // outlives the workers; null: hosts are not asked for

   protected:
    ~Host() = default;
  };

  // Both outlive us.
  Worker(size_t index, Host& host, const Local& local);
  ~Worker();  // main thread, after join()

  // Main thread.
  void run();   // begins the thread
  void stop();  // ends it, connections and all
  void join();
  // The snapshot lives until on_snapshot_released().
  void apply(const Snapshot& snapshot);
  // Accepts no more; ends what is idle, and the rest as it ends, at the latest
  // after `longest`. on_drained() follows.
  void drain(Duration longest);
  // Connections are told to go; the listeners go on. Main thread.
  void say_goodbye(bool inbound_only);
  void adopt(std::string listener, UniqueFd fd);  // any thread
  // As Forwarder has them. Any thread.
  void answer_host(std::string host, HostAnswer answer);
  void forget_unknown_hosts();
  // Nobody waits any longer for clusters that are cold now. Any thread.
  void stop_warming();
  // The newest facts of requests; `done` runs in the worker's thread. Any thread.
  void read_facts(size_t facts_max, std::function<void(std::vector<RequestFact>)> done);
  const telemetry::Registry& registry() const { return registry_; }
  // Connections from downstream now. Any thread.
  size_t load() const { return load_.load(std::memory_order_relaxed); }

  // For connections and exchanges.
  size_t index() const { return index_; }
  event::Loop& loop() { return loop_; }
  http::BlockPool& blocks() { return blocks_; }
  Random& random() { return random_; }
  const Local& local() const { return local_; }
  telemetry::Registry& telemetry() { return registry_; }
  View& view() { return *view_; }
  FactRing& facts() { return facts_; }
  bool draining() const { return draining_; }
  // What the process sheds now: bits of resilience::OverloadAction.
  uint32_t overload() const { return overload_.active.load(std::memory_order_relaxed); }
  void remove(Connection& connection);
  Exchange& take_exchange();
  // Once its streams are gone; it may be used again from the next turn on.
  void recycle(Exchange& exchange);
  // Rarely used parts of exchanges, cleared.
  std::unique_ptr<Extras> take_extras();
  void recycle(std::unique_ptr<Extras> extras);
  void log(const std::shared_ptr<const LogSink>& sink, const telemetry::AccessEntry& entry);
  SpanBuffer& spans() { return spans_; }
  Mirrors& mirrors() { return mirrors_; }
  AwaitedHosts& awaited_hosts() { return awaited_hosts_; }
  void on_ejection() { host_.on_ejection(index_); }
  void count_tunnel(bool begins);
  GrpcStats& grpc_stats() { return grpc_stats_; }
  RouteStats& route_stats() { return route_stats_; }
  // Whether a line that a peer can cause may be logged: a few a second.
  bool may_log();
  // Of a connection that was refused: closed after that time.
  void hold(UniqueFd fd, Duration time) { held_.hold(std::move(fd), time); }

 private:
  void on_accepted(const std::string& listener, UniqueFd fd) override;
  bool accepting() const override {
    return !overload_.is(resilience::OverloadAction::StopAcceptingConnections);
  }
  void on_view_unused(View& view) override;
  void on_view_destroyed(const Snapshot& snapshot) override;
  void on_deadline(event::Deadline& deadline) override;

  void use(const Snapshot& snapshot);
  void warm_up(const Snapshot* now);
  void update_acceptors(const Snapshot& snapshot);
  void accept_from_leaving(const Snapshot& next);
  bool refuses_connection() const;
  // Of one that load_ counts: until it is gone, or at once where it cannot be served.
  void serve(const std::string& listener, UniqueFd fd);
  bool begin(const std::string& listener, UniqueFd fd);
  void note_arrival();
  void refuse_loop(const ListenerSpec& listener);
  void begin_drain(Duration longest);
  void finish_drain();
  void close_all(std::string_view why);
  void rest_idle(Duration after);

  const size_t index_;
  Host& host_;
  const Local& local_;
  const OverloadState& overload_;
  event::Loop loop_;
  http::BlockPool blocks_;
  Random random_;
  telemetry::Registry registry_;
  upstream::EndpointTable endpoints_;
  std::vector<std::unique_ptr<View>> views_;
  View* view_ = nullptr;      // retained
  View* previous_ = nullptr;  // retained for a moment: the one before
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  std::vector<std::unique_ptr<Connection>> connections_;
  AwaitedHosts awaited_hosts_;                        // outlives the exchanges
  size_t fresh_ = 0;                                  // accepted since the last sweep
  std::vector<std::unique_ptr<Exchange>> exchanges_;  // all there are
  std::vector<Exchange*> free_exchanges_;
  std::vector<std::unique_ptr<Extras>> free_extras_;
  Mirrors mirrors_{*this};
  HeldSockets held_{loop_};
  FactRing facts_;
  LogBuffers logs_;
  SpanBuffer spans_;
  event::Deadline log_deadline_;
  event::Deadline sweep_deadline_;
  event::Deadline drain_deadline_;
  event::Deadline previous_deadline_;
  bool draining_ = false;
  bool accept_here_ = false;  // hand nothing over
  Instant log_second_{};
  uint32_t logged_ = 0;
  std::atomic<size_t> load_{0};
  telemetry::Counter* connections_total_;
  telemetry::Counter* connections_active_;
  telemetry::Counter* connections_resting_;
  telemetry::Counter* connections_refused_;
  telemetry::Counter* loops_refused_;
  telemetry::Counter* upgrades_total_;
  telemetry::Counter* upgrades_active_;
  size_t tunnels_ = 0;
  GrpcStats grpc_stats_{registry_};
  RouteStats route_stats_{registry_};
  std::thread thread_;
};

}  // namespace mesh::forward
