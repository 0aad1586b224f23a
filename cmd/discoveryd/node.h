// A forwarder's own words as values.
#pragma once

#include <optional>

#include "bus/watch.h"
#include "discovery/model.h"

namespace mesh::discoveryd {

// Errc::Invalid names what is wrong: the watch is refused.
Result<discovery::Node> node_of(const bus::Node& node);

// What it registers of itself (xds/node.h, kAddress and kPorts); nothing where
// it does not.
std::optional<discovery::Workload> self_of(const discovery::Node& node, const bus::Node& words);

bool draining(const bus::Node& words);

}  // namespace mesh::discoveryd
