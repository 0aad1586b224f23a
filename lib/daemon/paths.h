// Paths: the three directories of a program.
//
// Precedence: option, environment, default. Each names the directory that all
// programs of a mesh share; a daemon's own state is a directory below.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace mesh::daemon {

struct Paths {
  std::string run_dir;     // sockets and locks: --run-dir, MESH_RUN_DIR, /run/mesh
  std::string state_dir;   // what must survive, of this daemon alone:
                           // (--state-dir, MESH_STATE_DIR, /var/lib/mesh)/NAME
  std::string config_dir;  // settings files: --config-dir, MESH_CONFIG_DIR, /etc/mesh

  // Where a daemon answers on the bus.
  std::string socket(std::string_view daemon) const {
    return run_dir + "/" + std::string(daemon) + ".sock";
  }
};

// The value of an option, or of the environment, or the default.
std::string choose_dir(std::string_view option, const char* environment,
                       std::string_view otherwise);

// Makes `dir` and what is missing above it; the last with `mode` whatever the
// umask. An existing directory is left as it is. `what` names its role in the
// error: "state directory /var/lib/mesh/certd: mkdir: Permission denied".
Result<void> make_dir(const std::string& dir, unsigned mode, std::string_view what);

}  // namespace mesh::daemon
