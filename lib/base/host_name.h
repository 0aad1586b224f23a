// host_name: this host's name, as the nodes of its forwarders and its daemons use it.
#pragma once

#include <string>

namespace mesh {

// What gethostname(2) says now; "localhost" where it says nothing.
std::string host_name();

}  // namespace mesh
