// Local: who this forwarder is, as metrics and logs name it. Const after start.
#pragma once

#include <string>

#include "telemetry/labels.h"

namespace mesh::forward {

struct Local {
  // Workload (of a client only: its name), namespace, app, version. The principal
  // comes with the certificate (Snapshot).
  telemetry::Peer self;
  // As spans name it; empty: they do not.
  std::string node_id = {};
  std::string zone = {};
  uint32_t workers = 1;
  uint32_t facts_max = 0;  // of requests, kept by each worker; 0: none
};

}  // namespace mesh::forward
