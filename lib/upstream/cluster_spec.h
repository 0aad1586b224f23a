// ClusterSpec: a cluster as one configuration describes it, ready for use, and
// what all workers share about it.
//
// Made on the main thread, const from then on, shared by all workers. Shared
// state is found again by cluster name and endpoint address, so that limits and
// ejections survive a change of configuration.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "balance/hash_tables.h"
#include "balance/host.h"
#include "net/address.h"
#include "net/socket.h"
#include "resilience/limits.h"
#include "resilience/outlier.h"
#include "resilience/retry_budget.h"
#include "telemetry/labels.h"
#include "tls/context.h"
#include "upstream/original_hosts.h"
#include "upstream/stats.h"
#include "xds/values.h"

namespace mesh::upstream {

// An endpoint over all workers.
struct SharedEndpoint {
  // What active health checks found. Written by the main thread, but for
  // kFailedAtOnce, which a worker may add.
  enum Check : uint8_t {
    kFailedCheck = 1U << 0,
    kPendingCheck = 1U << 1,   // not checked yet
    kDegradedCheck = 1U << 2,  // well, with x-envoy-degraded
    kTimeoutCheck = 1U << 3,   // with kFailedCheck: by a timeout
    kFailedAtOnce = 1U << 4,   // x-envoy-immediate-health-check-fail, until the next check
  };

  resilience::HostHealth health;  // by outlier detection
  // Requests in flight, counted where ClusterSpec::counts_shared.
  alignas(64) std::atomic<uint32_t> active{0};
  std::atomic<uint8_t> check{0};  // bits of Check; 0 where there are no health checks
  resilience::Gauge connections;  // counted where the cluster limits them by host
  HostStats stats;

  bool check_failed() const {
    return (check.load(std::memory_order_acquire) & (kFailedCheck | kFailedAtOnce)) != 0;
  }
  bool degraded() const { return (check.load(std::memory_order_acquire) & kDegradedCheck) != 0; }
};

// A cluster over all workers.
struct SharedCluster {
  resilience::Usage usage;       // of priority DEFAULT
  resilience::Usage high_usage;  // of priority HIGH
  resilience::Outlier outlier;
  std::atomic<uint64_t> check_epoch{0};  // goes up with each change of a host's `check`
  ClusterStats stats;
  balance::HashTables tables;
  OriginalHosts original_hosts;  // of a cluster of type ORIGINAL_DST
  // Of health checks. Written by the main thread.
  struct {
    telemetry::Counter attempt, success, failure, passive_failure, network_failure;
  } checks;

  // Goes up whenever a host's availability may have changed. Any thread.
  uint64_t epoch() const { return outlier.epoch() + check_epoch.load(std::memory_order_acquire); }
};

// The instances of the forwarder's own cluster, by locality: who calls.
struct LocalCluster {
  std::string locality;                                  // our own
  std::map<std::string, uint64_t, std::less<>> healthy;  // every locality that has instances
  uint64_t total = 0;                                    // healthy or not
  bool operator==(const LocalCluster&) const = default;
};

struct EndpointSpec {
  net::Address address;
  std::string text;  // as access logs and metrics name it: "10.0.0.1:80"
  uint32_t weight = 1;
  balance::Health health = balance::Health::Healthy;  // as discovery sees it
  // ignore_new_hosts_until_first_hc: left out of all counts until it was checked.
  bool ignored_until_checked = false;
  bool tls = false;
  telemetry::Peer peer;  // as discovery describes it: without its principal
  std::shared_ptr<SharedEndpoint> shared;

  // As all see it now: discovery, health checks, outlier detection. Any thread;
  // SharedCluster::epoch() says when to ask again.
  balance::Health health_now() const;
  bool available() const { return health_now() <= balance::Health::Degraded; }
};

struct ClusterSpec {
  std::shared_ptr<const xds::Cluster> config;
  std::shared_ptr<const xds::ClusterLoadAssignment> assignment;  // may be null: none known
  std::vector<EndpointSpec> endpoints;
  // Null where clear text is spoken, or while a secret it names is not there:
  // then needs_tls is true and connecting fails.
  std::shared_ptr<const tls::Context> tls;
  bool needs_tls = false;
  // What is spoken; of a cluster that speaks its clients' protocol HTTP/1, of its variant
  // for HTTP/2 that.
  xds::UpstreamProtocol protocol = xds::UpstreamProtocol::Http1;
  bool variant = false;                       // see Variants
  bool cold = false;                          // not ready: see Cluster::wait()
  std::vector<balance::Group> groups;         // of the assignment
  std::shared_ptr<const LocalCluster> local;  // for zone-aware routing; else null
  bool counts_shared = false;                 // bounded load: of all workers
  uint32_t dropped_per_million = 0;           // drop_overloads: of the requests
  std::shared_ptr<SharedCluster> shared;
  resilience::OutlierPolicy outlier;  // of no use unless config->outlier
  // Hosts come and go by themselves: outlier detection or health checks are on.
  bool watches_health = false;
  resilience::RetryBudget retry_budget;  // of priority DEFAULT
  resilience::RetryBudget high_retry_budget;

  const xds::CircuitLimits& limits(bool high) const {
    return high ? config->high_limits : config->limits;
  }
  resilience::Usage& usage(bool high) const { return high ? shared->high_usage : shared->usage; }
  const std::string& name() const { return config->name; }
  // Where connections come from; null: anywhere.
  const net::Source* connects_from() const { return source ? &*source : nullptr; }
  std::optional<net::Source> source;
};

// Finds shared state, and keeps it as long as a spec refers to it. Main thread.
class SharedState {
 public:
  // Errc::Invalid names the cluster and what does not fit.
  Result<std::shared_ptr<const ClusterSpec>> spec(
      std::shared_ptr<const xds::Cluster> config,
      std::shared_ptr<const xds::ClusterLoadAssignment> assignment,
      std::shared_ptr<const tls::Context> tls, std::shared_ptr<const LocalCluster> local = nullptr);

 private:
  std::map<std::string, std::weak_ptr<SharedCluster>> clusters_;
  std::map<std::pair<std::string, std::string>, std::weak_ptr<SharedEndpoint>> endpoints_;
};

// Keep-alive probes of a TCP socket; nothing of a Unix one.
void set_keepalive(int fd, const xds::TcpKeepalive& keepalive);

// The cluster with the hosts that it has at the moment, where they are not configured
// (ORIGINAL_DST); else the cluster itself. For reports; any thread.
std::shared_ptr<const ClusterSpec> with_hosts(const std::shared_ptr<const ClusterSpec>& cluster);

// xDS's address as the kernel wants it. Errc::Invalid where it is no IP literal,
// localhost or path: names need a discovery type that resolves them.
Result<net::Address> to_address(const xds::SocketAddress& address);

}  // namespace mesh::upstream
