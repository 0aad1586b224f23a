// Instances that a WorkloadGroup describes: its template, and what the instance's own
// forwarder says of itself.
#pragma once

#include <optional>
#include <string>

#include "discovery/objects.h"
#include "discovery/workload.h"

namespace mesh::discovery {

const Object<istio::WorkloadGroup>* find_group(const Objects& objects, const std::string& ns,
                                               const std::string& name);

// `own` has the instance's name and address; what else it says stands above the
// template, labels and ports one by one (Istio, WorkloadGroup: labels of the template
// above those of its metadata).
Workload instance_of_group(const Object<istio::WorkloadGroup>& group, Workload own);

}  // namespace mesh::discovery
