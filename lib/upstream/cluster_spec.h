// ClusterSpec: a cluster as one configuration describes it, ready for use, and
// what all workers share about it.
//
// Made on the main thread, const from then on, shared by all workers. Shared
// state is found again by cluster name and endpoint address, so that limits and
// ejections survive a change of configuration.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/address.h"
#include "resilience/limits.h"
#include "resilience/outlier.h"
#include "resilience/retry_budget.h"
#include "telemetry/labels.h"
#include "tls/context.h"
#include "xds/values.h"

namespace mesh::upstream {

// An endpoint over all workers.
struct SharedEndpoint {
  resilience::HostHealth health;
};

// A cluster over all workers.
struct SharedCluster {
  resilience::Usage usage;
  resilience::Outlier outlier;
};

struct EndpointSpec {
  net::Address address;
  std::string text;  // as access logs and metrics name it: "10.0.0.1:80"
  uint32_t weight = 1;
  bool usable = true;  // as discovery sees it: healthy, and of the best priority
  bool tls = false;
  telemetry::Peer peer;  // as discovery describes it: without its principal
  std::shared_ptr<SharedEndpoint> shared;
};

struct ClusterSpec {
  std::shared_ptr<const xds::Cluster> config;
  std::shared_ptr<const xds::ClusterLoadAssignment> assignment;  // may be null: none known
  std::vector<EndpointSpec> endpoints;
  // Null where clear text is spoken, or while a secret it names is not there:
  // then needs_tls is true and connecting fails.
  std::shared_ptr<const tls::Context> tls;
  bool needs_tls = false;
  std::shared_ptr<SharedCluster> shared;
  resilience::OutlierPolicy outlier;  // of no use unless config->outlier
  resilience::RetryBudget retry_budget;

  const std::string& name() const { return config->name; }
};

// Finds shared state, and keeps it as long as a spec refers to it. Main thread.
class SharedState {
 public:
  // Errc::Invalid names the cluster and what does not fit.
  Result<std::shared_ptr<const ClusterSpec>> spec(
      std::shared_ptr<const xds::Cluster> config,
      std::shared_ptr<const xds::ClusterLoadAssignment> assignment,
      std::shared_ptr<const tls::Context> tls);

 private:
  std::map<std::string, std::weak_ptr<SharedCluster>> clusters_;
  std::map<std::pair<std::string, std::string>, std::weak_ptr<SharedEndpoint>> endpoints_;
};

// xDS's address as the kernel wants it. Errc::Invalid where it is no IP literal,
// localhost or path: names need a discovery type that resolves them.
Result<net::Address> to_address(const xds::SocketAddress& address);

}  // namespace mesh::upstream
