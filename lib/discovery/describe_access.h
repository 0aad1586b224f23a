// AuthorizationPolicies in a few words each. Part of describe.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "discovery/model.h"

namespace mesh::discovery {

// Those that the workload's forwarder enforces: its origin, and what it does with what; of
// action CUSTOM, who is asked where, and what follows when that fails. None of an endpoint
// inside of a ServiceEntry: no forwarder stands there.
std::vector<std::pair<std::string, std::string>> describe_access(const Model& model,
                                                                 const Workload& workload);

}  // namespace mesh::discovery
