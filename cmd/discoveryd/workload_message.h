// Instances as their message, and back. Pure.
#pragma once

#include "discovery/workload.h"
#include "mesh/discoveryd.pb.h"

namespace mesh::discoveryd {

v1::Workload message_of(const discovery::Workload& workload);

// As one that was registered; nothing is checked but that a weight of 0 says 1.
discovery::Workload workload_of(const v1::Workload& message);

}  // namespace mesh::discoveryd
