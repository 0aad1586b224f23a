// A forwarder's own words as values.
#pragma once

#include <optional>

#include <string>

#include "bus/watch.h"
#include "discovery/group.h"
#include "discovery/model.h"

namespace mesh::discoveryd {

// Errc::Invalid names what is wrong: the watch is refused.
Result<discovery::Node> node_of(const bus::Node& node);

// What it registers of itself (xds/node.h, kAddress and kPorts); nothing where
// it does not.
std::optional<discovery::Workload> self_of(const discovery::Node& node, const bus::Node& words);

// Whether it gets only what it asks for.
bool on_demand(const bus::Node& words);

// The WorkloadGroup that says the rest of it; empty: none.
std::string group_of(const bus::Node& words);

// The node and what it registers, as the group has it.
void complete(const discovery::Object<discovery::istio::WorkloadGroup>& group,
              const bus::Node& words, discovery::Node& node,
              std::optional<discovery::Workload>& self);

bool draining(const bus::Node& words);

}  // namespace mesh::discoveryd
