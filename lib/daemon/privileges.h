// Privileges: whom a daemon that was started as root becomes.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace mesh::daemon {

// A user of this host, and the group that mesh daemons share to reach each
// other's sockets.
struct User {
  std::string name;
  unsigned uid = 0;
  unsigned gid = 0;
  unsigned mesh_gid = 0;  // the group _mesh; the user's own where there is none
  bool shared = false;    // there is a group _mesh
};

// Errc::NotFound where this host has no such user.
Result<User> find_user(const std::string& name);

// Gives up root for good: groups, group, user, in this order, and verifies that
// there is no way back. Before the first thread.
Result<void> become(const User& user);

// Gives `path` to the user and the group _mesh.
Result<void> give_to(const User& user, const std::string& path);

// Lets this process open as many descriptors as the host allows it.
void raise_descriptor_limit();

}  // namespace mesh::daemon
