// Snapshot: one configuration, ready for use by all workers.
//
// Built on the main thread from an xds::Config and the secrets; const from then
// on. A worker uses it through a View. Destroyed on the main thread when no
// worker uses it any more.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "forward/filter/pipeline.h"
#include "forward/filter/shared.h"
#include "forward/log_sink.h"
#include "forward/secrets.h"
#include "net/listener.h"
#include "route/table.h"
#include "upstream/cluster_spec.h"
#include "xds/values.h"

namespace mesh::forward {

struct ChainSpec {
  const xds::FilterChain* config = nullptr;
  // Null in clear text, and while the certificate is not there yet: then
  // config->tls is set, and TLS connections are refused.
  std::shared_ptr<const tls::Context> tls;
  // Null while the route configuration is not there yet: nothing is routed.
  std::shared_ptr<const route::Table> routes;
  filter::Pipeline filters;
  std::vector<std::shared_ptr<const LogSink>> logs;
};

struct ListenerSpec {
  std::shared_ptr<const xds::Listener> config;
  std::shared_ptr<const net::ListenSocket> socket;
  std::vector<ChainSpec> chains;
  // Chains differ by transport protocol: the first bytes choose.
  bool sniff = false;

  // The chain for a connection that begins with TLS, or does not; null: refused.
  const ChainSpec* chain(bool tls) const;
};

class Snapshot {
 public:
  std::string generation;
  std::string principal;  // our own identity, empty while there is none
  std::vector<ListenerSpec> listeners;
  std::map<std::string, std::shared_ptr<const upstream::ClusterSpec>, std::less<>> clusters;

  const ListenerSpec* listener(std::string_view name) const;
};

// What building a snapshot draws on, and what outlives each: sockets, sinks,
// shared upstream state. Main thread.
class SnapshotBuilder {
 public:
  // Errors name the resource; sockets bound on the way are closed again and
  // nothing else has happened. `previous` may be null; what did not change is
  // taken from it.
  Result<std::unique_ptr<const Snapshot>> build(const xds::Config& config, Secrets& secrets,
                                                const Snapshot* previous);

  // Builds one listener only, for its errors; its socket is kept until the next
  // build().
  Result<void> prepare(const std::shared_ptr<const xds::Listener>& config, const xds::Config& all,
                       Secrets& secrets);

 private:
  Result<ListenerSpec> listener(std::shared_ptr<const xds::Listener> config, const xds::Config& all,
                                Secrets& secrets);
  Result<ChainSpec> chain(const xds::FilterChain& config, const xds::Config& all, Secrets& secrets);
  Result<std::shared_ptr<const upstream::ClusterSpec>> cluster(
      const std::shared_ptr<const xds::Cluster>& config, const xds::Config& all, Secrets& secrets,
      const Snapshot* previous);

  net::ListenerSet sockets_;
  std::vector<std::shared_ptr<const net::ListenSocket>> prepared_;
  LogSinks sinks_;
  upstream::SharedState shared_;
  filter::Shared filters_;
};

}  // namespace mesh::forward
