// hold_back(): routes that lead to clusters which are not ready stay as they were, for as long as
// that serves.
//
// Pure.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "route/table.h"

namespace mesh::route {

// Whether the cluster of this name is there, and may be used.
using ReadyCluster = std::function<bool(const std::string& cluster)>;

// `next`, with each virtual host that names a cluster which is not ready as `former` has the one
// of that name, where it has one whose clusters are all ready; the domains are those of `next`.
// Clusters that requests name themselves (cluster_header), and mirrors, are not looked at. Gives
// `next` itself where nothing is held back.
std::shared_ptr<const Table> hold_back(const std::shared_ptr<const Table>& next,
                                       const Table& former, const ReadyCluster& ready);

}  // namespace mesh::route
