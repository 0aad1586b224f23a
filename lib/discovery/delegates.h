// Delegates: VirtualServices whose routes stand in others.
#pragma once

#include <vector>

#include "discovery/objects.h"

namespace mesh::discovery {

// Puts the routes of delegates in the place of those that name them, and takes the
// delegates (VirtualServices without hosts) out of the list. Istio's rules: a route of
// the delegate is kept where its matches agree with the root's, and takes from the root
// what it does not say itself; a delegate that is not there, is not exported to the
// root's namespace or delegates itself gives no routes. The list is in order of
// namespace and name, before and after.
void resolve_delegates(List<istio::VirtualService>& services);

}  // namespace mesh::discovery
