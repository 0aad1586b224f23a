// LockFile: keeps a second instance of a daemon out.
//
// The kernel holds the lock (flock) and lets go when the process ends, however
// it ends. The file stays: removing it would let two processes hold two locks
// of the same name.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace mesh::daemon {

class LockFile {
 public:
  // Errc::Refused, naming the process, where another holds it.
  static Result<LockFile> acquire(const std::string& path);

  LockFile() = default;  // holds nothing

 private:
  UniqueFd fd_;
};

}  // namespace mesh::daemon
