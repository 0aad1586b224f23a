// Callers: whose instances a node's calls are weighed against by zone-aware routing.
// Inside of lib/discovery only.
#pragma once

#include "discovery/model.h"

namespace mesh::discovery {

// The first service that the node may see and is an instance of. Null: there is none, or nobody
// knows where the node is.
const Service* calling_service(const Model& model, const Node& node);

}  // namespace mesh::discovery
