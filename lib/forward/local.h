// Local: who this forwarder is, as metrics and logs name it. Const after start.
#pragma once

#include <string>

#include "telemetry/labels.h"

namespace mesh::forward {

struct Local {
  telemetry::Peer self;  // workload, namespace, app, version, principal
  uint32_t workers = 1;
  uint32_t connections_max = 0;  // downstream, over all workers; 0: as descriptors allow
};

}  // namespace mesh::forward
