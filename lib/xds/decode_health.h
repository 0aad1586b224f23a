// What of a cluster says which endpoints are well, and how much there may be of
// each thing. Inside of lib/xds only.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "xds/values.h"

namespace mesh::xds {

Result<resilience::OutlierPolicy> decode_outlier(
    const envoy::config::cluster::v3::OutlierDetection& outlier, const std::string& path);

Result<HealthCheck> decode_health_check(const envoy::config::core::v3::HealthCheck& check,
                                        const std::string& path);

// mesh.xds.v1.OutlierReturn among the cluster's options, if it is there: after
// decode_outlier().
Result<void> decode_outlier_return(const envoy::config::cluster::v3::Cluster& cluster,
                                   const std::string& path, Cluster& into);

// Thresholds by priority, those of a host, and what hangs on connections.
Result<void> decode_limits(const envoy::config::cluster::v3::Cluster& cluster,
                           const std::string& path, Cluster& into);

}  // namespace mesh::xds
