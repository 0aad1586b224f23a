// How a cluster is balanced. Inside of lib/xds only.
#pragma once

#include <google/protobuf/struct.pb.h>

#include <string_view>

#include "balance/config.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "xds/decode_common.h"

namespace mesh::xds {

// lb_policy, lb_config, common_lb_config, lb_subset_config, or
// load_balancing_policy in their place.
Result<void> decode_balancing(const envoy::config::cluster::v3::Cluster& cluster,
                              std::string_view path, balance::Config& into);

// Metadata "envoy.lb": its entries in order of their keys.
balance::Metadata decode_lb_metadata(const google::protobuf::Struct& from);

}  // namespace mesh::xds
