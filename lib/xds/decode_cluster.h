// Clusters and their endpoints. Inside of lib/xds only.
#pragma once

#include <memory>
#include <string_view>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "xds/decode_common.h"

namespace mesh::xds {

// `secrets` as in TlsOwner.
Result<std::shared_ptr<const Cluster>> decode_cluster(
    const envoy::config::cluster::v3::Cluster& cluster, std::string_view path, Secrets* secrets);

Result<std::shared_ptr<const ClusterLoadAssignment>> decode_assignment(
    const envoy::config::endpoint::v3::ClusterLoadAssignment& assignment, std::string_view path,
    bool names);

// Of type ORIGINAL_DST.
Result<void> decode_original_dst(const envoy::config::cluster::v3::Cluster& cluster,
                                 std::string_view path, Cluster& into);

// upstream_bind_config.
Result<void> decode_bind(const envoy::config::cluster::v3::Cluster& cluster, std::string_view path,
                         Cluster& into);

}  // namespace mesh::xds
