// Capture: connections that the kernel redirected to a listener: where they were going, and
// which listener serves them.
//
// With use_original_dst it is the listener of their original destination, as Envoy finds it:
// of that very address, else of its port on all addresses; where there is none, the one that
// accepted them. A connection that this process itself made is a loop, and is refused.
#pragma once

#include "forward/snapshot.h"
#include "upstream/own_connections.h"

namespace mesh::forward {

struct Captured {
  const ListenerSpec* listener = nullptr;  // of the snapshot; null: refused as a loop
  net::Address destination;                // AF_UNSPEC: nobody redirected it
};

// `accepted` has original_dst; `fd` came in there.
Captured capture(const Snapshot& snapshot, const ListenerSpec& accepted, int fd,
                 const upstream::OwnConnections& own);

}  // namespace mesh::forward
