#include "daemon/privileges.h"

#include <grp.h>
#include <pwd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>

namespace mesh::daemon {

// getpwnam's static buffer is safe here: there is one thread yet.
Result<User> find_user(const std::string& name) {
  errno = 0;
  const passwd* const entry = getpwnam(name.c_str());
  if (entry == nullptr) {
    if (errno != 0 && errno != ENOENT && errno != ESRCH) return errno_error("user " + name);
    return Error{Errc::NotFound, "this host has no user " + name};
  }
  User user{name, entry->pw_uid, entry->pw_gid, entry->pw_gid, false};
  if (const group* const mesh = getgrnam("_mesh"); mesh != nullptr) {
    user.mesh_gid = mesh->gr_gid;
    user.shared = true;
  }
  return user;
}

Result<void> become(const User& user) {
  const std::array<gid_t, 2> groups{user.gid, user.mesh_gid};
  if (setgroups(groups.size(), groups.data()) != 0 ||
      setresgid(user.gid, user.gid, user.gid) != 0 || setresuid(user.uid, user.uid, user.uid) != 0)
    return errno_error("become user " + user.name);
  if (user.uid != 0 && (setuid(0) == 0 || geteuid() != user.uid))
    return Error{Errc::Internal, "become user " + user.name + ": root did not go away"};
  return {};
}

Result<void> give_to(const User& user, const std::string& path) {
  if (chown(path.c_str(), user.uid, user.mesh_gid) != 0)
    return errno_error("give " + path + " to user " + user.name);
  return {};
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);  // a lower limit still works, with fewer connections
}

}  // namespace mesh::daemon
