// Cluster: a cluster as one worker uses it under one configuration: its
// endpoints, and the picker that chooses among them.
//
// Owned by the worker's view of a configuration; attempts under way keep their
// endpoint, not the cluster. One thread.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "balance/balancer.h"
#include "base/random.h"
#include "event/loop.h"
#include "upstream/endpoint.h"

namespace mesh::upstream {

// All endpoints of a worker, by cluster and address, whatever configuration
// they came with. Outlives every cluster and attempt.
class EndpointTable final : public Endpoint::Owner {
 public:
  // All outlive us.
  EndpointTable(event::Loop& loop, http::BlockPool& blocks, telemetry::Registry& telemetry,
                Random& random, uint32_t worker);
  ~EndpointTable();

  // The endpoint of that cluster and address, made where it is new.
  Endpoint& find(const ClusterSpec& cluster, const EndpointSpec& spec);

  uint32_t worker() const override { return worker_; }
  size_t size() const { return endpoints_.size(); }
  event::Loop& loop() { return loop_; }
  // Where connections that are made are known from then on; outlives us.
  void use(OwnConnections& own) { own_ = &own; }
  OwnConnections* own_connections() override { return own_; }
  telemetry::Registry& telemetry() { return telemetry_; }
  size_t connection_count() const;
  // Of this worker, requests and connections that wait for a cluster to get ready.
  void count_waiting(bool begins);

 private:
  void on_unused(Endpoint& endpoint) override;
  Random& random() override { return random_; }

  event::Loop& loop_;
  http::BlockPool& blocks_;
  telemetry::Registry& telemetry_;
  Random& random_;
  const uint32_t worker_;
  OwnConnections* own_ = nullptr;
  telemetry::Counter* waiting_gauge_;
  size_t waiting_ = 0;
  std::map<std::string, std::unique_ptr<Endpoint>, std::less<>> endpoints_;
};

class Variants;

// A request, or a connection, that waits for a cluster to get ready. Cluster::forget() it before
// it dies.
class ColdWaiter {
 public:
  // It is ready, or is waited for no longer: pick. Once.
  virtual void on_cluster_ready() = 0;

 protected:
  ~ColdWaiter() = default;

 private:
  friend class Cluster;
  resilience::Permit pending_;
};

class Cluster {
 public:
  // How long it is cold at most: whoever says so ends it.
  static constexpr Duration kColdMax = std::chrono::seconds(5);
  // Who waits for it in one worker.
  static constexpr size_t kColdWaitersMax = 1000;

  // `table` outlives us.
  Cluster(std::shared_ptr<const ClusterSpec> spec, EndpointTable& table, Random& random);
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  // The worker's own counts of the cluster.
  ClusterCounts& counts() { return *counts_; }
  const ClusterSpec& spec() const { return *spec_; }
  const std::shared_ptr<const ClusterSpec>& shared_spec() const { return spec_; }

  // Its names are not resolved, or its hosts not checked, for the first time (Envoy: it is
  // warming): wait(), and pick when that is over.
  bool cold() const { return cold_; }
  // False: too many wait, or are pending as its limits have it; it does not wait then.
  bool wait(ColdWaiter& waiter, bool high);
  void forget(ColdWaiter& waiter);
  // It is ready as `now` has it, which is not cold; null: it went, and is used as it was. Calls
  // all that wait, who may do anything but destroy us. Not where it is not cold.
  void warm_up(std::shared_ptr<const ClusterSpec> now, Random& random);

  // Whom the next request goes to. balance::kNoHost: nobody (response flag UH).
  balance::HostIndex pick(Random& random, const balance::PickContext& context, Instant now);
  Endpoint& endpoint(balance::HostIndex host) { return *endpoints_[host]; }

  // Not null: requests are not for this cluster itself, but for one of these.
  Variants* variants() { return variants_.get(); }

  // A request was refused by drop_overloads.
  void count_drop();
  // A request's header should have been an address, and was not (ORIGINAL_DST).
  void count_invalid_destination();
  // What share each priority gets, as of the last pick.
  std::span<const balance::PriorityShare> priority_shares() const { return balancer_->shares(); }

  // What the worker hangs on a cluster: its telemetry scope. Not ours.
  void* attachment = nullptr;

 private:
  balance::HostIndex hold_back(balance::HostIndex host, Random& random,
                               const balance::PickContext& context, Instant now);
  void refresh(Instant now);
  void export_stats();
  void take_hosts(Random& random);

  std::shared_ptr<const ClusterSpec> spec_;  // another one once, by warm_up()
  EndpointTable& table_;
  bool cold_;
  std::vector<Endpoint*> endpoints_;
  std::vector<ColdWaiter*> waiting_;
  ClusterCounts* counts_;  // of the shared state
  std::unique_ptr<balance::Balancer> balancer_;
  telemetry::Registry& telemetry_;
  uint64_t seen_epoch_ = 0;
  uint64_t seen_events_ = 0;
  balance::Stats exported_;
  std::array<telemetry::Counter*, balance::Stats::kEvents> counters_{};
  std::unique_ptr<Variants> variants_;
};

}  // namespace mesh::upstream
