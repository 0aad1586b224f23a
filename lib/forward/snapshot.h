// Snapshot: one configuration, ready for use by all workers.
//
// Built on the main thread from an xds::Config and the secrets; const from then
// on. A worker uses it through a View. Destroyed on the main thread when no
// worker uses it any more.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "forward/admission.h"
#include "forward/chain_match.h"
#include "forward/filter/ext_authz.h"
#include "forward/filter/pipeline.h"
#include "forward/filter/shared.h"
#include "forward/learned.h"
#include "forward/log_sink.h"
#include "forward/secrets.h"
#include "net/listener.h"
#include "route/table.h"
#include "upstream/cluster_spec.h"
#include "xds/values.h"

namespace mesh::forward {

// A network filter of access control, and what it counts.
struct ConnectionGuard {
  std::shared_ptr<const authz::Rbac> config;
  std::shared_ptr<filter::RbacCounts> counts;
};

// Who is asked about a connection, behind so many of its chain's guards.
struct ConnectionAuthorizer {
  filter::Ask ask;
  size_t behind = 0;
};

struct ChainSpec {
  const xds::FilterChain* config = nullptr;
  // Null in clear text, and while the certificate is not there yet: then
  // config->tls is set, and TLS connections are refused.
  std::shared_ptr<const tls::Context> tls;
  // Null while the route configuration is not there yet: nothing is routed.
  std::shared_ptr<const route::Table> routes;
  // Hosts that `routes` does not have are asked for, where the forwarder subscribes on demand.
  bool on_demand = false;
  // Of `routes`, what takes requests to hosts that nobody has; null: nothing does.
  const route::Route* unknown = nullptr;
  filter::Pipeline filters;
  std::vector<std::vector<std::string>> asked_claims;  // asked_claims.h
  std::vector<ConnectionGuard> guards;                 // in order
  std::vector<ConnectionAuthorizer> authorizers;       // in order
  std::shared_ptr<const Admission> admission;          // null: no limits
  std::vector<std::shared_ptr<const LogSink>> logs;
};

struct ListenerSpec {
  std::shared_ptr<const xds::Listener> config;
  std::shared_ptr<const net::ListenSocket> socket;  // null: not bound to its port
  net::Address address;                             // as configured
  std::vector<ChainSpec> chains;                    // as configured, the default one last
  ChainMatch match;
  std::vector<net::Cidr> proxy_peers;         // who may speak the PROXY protocol
  std::shared_ptr<ProxyCounts> proxy_counts;  // null: the PROXY protocol is not spoken
  std::shared_ptr<Learned> learned;
  bool inspect = false;  // chains differ by what a connection begins with
  bool sniff = false;    // so they do, or the PROXY protocol is spoken

  // The chain of a connection; null: refused.
  const ChainSpec* chain(const ConnectionFacts& facts) const;
};

class Snapshot {
 public:
  std::string generation;
  std::string principal;  // our own identity, empty while there is none
  std::vector<ListenerSpec> listeners;
  std::map<std::string, std::shared_ptr<const upstream::ClusterSpec>, std::less<>> clusters;
  // Of clusters that were changed and are not ready, as they will be; `clusters` has them as they
  // were.
  std::map<std::string, std::shared_ptr<const upstream::ClusterSpec>, std::less<>> coming;
  // Some virtual hosts are as they were: what they are now leads to a cluster that is cold.
  bool holds_routes = false;

  // Of the listeners that report as destination [1], and as source [0]; null: as counted.
  std::shared_ptr<const telemetry::MetricChoices> metrics[2];

  const ListenerSpec* listener(std::string_view name) const;
  // Of that address, else of its port on all addresses; null: none.
  const ListenerSpec* listener_at(const net::Address& address) const;
  std::map<std::string, size_t, std::less<>> by_address;  // in `listeners`
};

class HeldRoutes;

// What building a snapshot draws on, and what outlives each: sockets, sinks,
// shared upstream state. Main thread.
class SnapshotBuilder {
 public:
  SnapshotBuilder();
  ~SnapshotBuilder();
  // Errors name the resource; sockets bound on the way are closed again and
  // nothing else has happened. `previous` may be null; what did not change is
  // taken from it.
  Result<std::unique_ptr<const Snapshot>> build(const xds::Config& config, Secrets& secrets,
                                                const Snapshot* previous);

  // Builds one listener only, for its errors; its socket is kept until the next
  // build().
  Result<void> prepare(const std::shared_ptr<const xds::Listener>& config, const xds::Config& all,
                       Secrets& secrets);

  // Where the endpoints of clusters that resolve names come from.
  using Resolved =
      std::function<std::shared_ptr<const xds::ClusterLoadAssignment>(const std::string& cluster)>;
  void resolve_by(Resolved resolved) { resolved_ = std::move(resolved); }
  // Whether a cluster may be used as it is configured; `now` is what is in use by its name, or
  // null. One that may not is cold where it is new; else what is in use stays, with the endpoints
  // of now. All may before this is called.
  using Ready =
      std::function<bool(const upstream::ClusterSpec& next, const upstream::ClusterSpec* now)>;
  void wait_by(Ready ready) { ready_ = std::move(ready); }

  LogSinks& logs() { return sinks_; }
  const LogSinks& logs() const { return sinks_; }

  // Listeners whose address is taken are left out, and not an error, from now on.
  void tolerate_taken() { tolerate_taken_ = true; }
  // Those that the last build() left out, with the error.
  const std::map<std::string, std::string>& left_out() const { return left_out_; }

  // Sockets that others bound for us; see net::ListenerSet.
  net::ListenerSet& sockets() { return sockets_; }

  const filter::Shared& filters() const { return filters_; }
  const Admissions& admissions() const { return admissions_; }

 private:
  Result<ListenerSpec> listener(std::shared_ptr<const xds::Listener> config, const xds::Config& all,
                                Secrets& secrets);
  Result<ChainSpec> chain(const xds::FilterChain& config, const std::string& listener,
                          const xds::Config& all, Secrets& secrets);
  using ClusterPtr = std::shared_ptr<const upstream::ClusterSpec>;
  using Assignment = std::shared_ptr<const xds::ClusterLoadAssignment>;
  Result<void> fill(Snapshot& snapshot, const xds::Config& config, Secrets& secrets,
                    const Snapshot* previous);
  Result<void> add_cluster(const std::shared_ptr<const xds::Cluster>& config,
                           const xds::Config& all, Secrets& secrets, const Snapshot* previous,
                           Snapshot& to);
  // `now` may be null.
  Result<ClusterPtr> cluster(const std::shared_ptr<const xds::Cluster>& config,
                             Assignment assignment, const xds::Config& all, Secrets& secrets,
                             const ClusterPtr& now);
  Assignment assignment(const xds::Cluster& config, const xds::Config& all) const;

  net::ListenerSet sockets_;
  std::vector<std::shared_ptr<const net::ListenSocket>> prepared_;
  Resolved resolved_;
  Ready ready_;
  std::unique_ptr<HeldRoutes> held_;  // of a snapshot that is being built
  bool tolerate_taken_ = false;
  std::map<std::string, std::string> left_out_;
  LogSinks sinks_;
  upstream::SharedState shared_;
  std::map<std::string, std::weak_ptr<Learned>> learned_;  // by listener
  filter::Shared filters_;
  Admissions admissions_;
};

}  // namespace mesh::forward
