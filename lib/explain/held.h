// Held: what a forwarder of a snapshot holds, decoded as the forwarder decodes it, and
// where that comes from.
//
// A value; const once made, any thread. The snapshot outlives it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "mesh/explain.pb.h"
#include "mesh/snapshot.pb.h"
#include "route/table.h"
#include "xds/origin.h"
#include "xds/values.h"

namespace mesh::explain {

class Held {
 public:
  // Errc::Invalid names the resource that does not decode.
  static Result<Held> decode(const snapshot::v1::Snapshot& snapshot,
                             const snapshot::v1::Forwarder& forwarder);
  // The same of what it would hold if it asked for more hosts (Forwarder::would_hold).
  static Result<Held> decode_more(const snapshot::v1::Snapshot& snapshot,
                                  const snapshot::v1::Forwarder& forwarder);

  const snapshot::v1::Forwarder& forwarder() const { return *forwarder_; }
  const xds::Config& config() const { return config_; }

  // Who made a listener or a cluster; `key` as xds/origin.h has them.
  v1::Origin listener_origin(const std::string& name, const std::string& key) const;
  v1::Origin cluster_origin(const std::string& name, const std::string& key) const;
  // Who made a route of a named route configuration, or set a value of it.
  v1::Origin route_origin(const std::string& table, size_t host, size_t route,
                          const std::string& key) const;
  v1::Origin origin(const std::string& text) const;

  // How the table of that name looks at authorities and paths.
  route::TableOptions table_options(const std::string& table) const;

  // Of the cluster; null: it has none.
  const xds::ClusterLoadAssignment* assignment(const xds::Cluster& cluster) const;

 private:
  using Resources = google::protobuf::RepeatedPtrField<snapshot::v1::Forwarder::Held>;

  Held(const snapshot::v1::Snapshot& snapshot, const snapshot::v1::Forwarder& forwarder)
      : snapshot_(&snapshot), forwarder_(&forwarder) {}
  Result<void> add(const Resources& resources);
  Result<void> add(std::string_view type, const std::string& name, const std::string& body);
  v1::Origin find(const xds::Origins& origins, const std::string& key) const;

  const snapshot::v1::Snapshot* snapshot_;
  const snapshot::v1::Forwarder* forwarder_;
  xds::Config config_;
  std::map<std::string, xds::Origins> listeners_;
  std::map<std::string, xds::Origins> clusters_;
  std::map<std::string, std::vector<std::vector<xds::Origins>>> routes_;
  std::map<std::string, route::TableOptions> options_;
};

// How an endpoint is: the forwarder's own word where it is known, else discovery's.
struct EndpointHealth {
  std::string health;  // healthy, degraded, draining, unhealthy, excluded
  std::string flags;   // why
  bool usable() const { return health == "healthy" || health == "degraded"; }
};
EndpointHealth health_of(const snapshot::v1::Forwarder& forwarder, const std::string& cluster,
                         const std::string& address, xds::HealthStatus discovered);

}  // namespace mesh::explain
