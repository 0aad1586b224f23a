// Egress listeners of a Sidecar that have a port of their own. Inside of lib/discovery/compile
// only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "discovery/compile/build.h"

namespace mesh::discovery {

struct EgressListener {
  std::string name;  // as Istio's: BIND_PORT, or the path; its routes have the same
  std::string bind;  // an IP address, or a path: then `port` is 0
  uint32_t port = 0;
  bool http = true;
  bool declared = true;  // else `http` is false, and the first bytes tell
  // What it leads to: those of its hosts that have the port, or all of them where it has none.
  std::vector<const Service*> services;
  std::string origin;
};

// Those that are bound: with a bind or captureMode NONE, and all where the node does not capture.
std::vector<EgressListener> egress_listeners(const Model& model, const Node& node);

// The node as if it asked for everything.
inline Node whole(Node node) {
  node.hosts = nullptr;
  return node;
}

// The services of all other listeners: within the hosts of the egress listeners that are not
// bound by themselves.
std::vector<const Service*> default_services(const Model& model, const Node& node);

}  // namespace mesh::discovery
