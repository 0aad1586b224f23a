// LockFile: keeps a second instance of a daemon out.
//
// The kernel holds the lock (flock) and lets go when the process ends, however
// it ends. The file names the process. An orderly end removes it, so what is
// left without a holder tells of one that died.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace mesh::daemon {

class LockFile {
 public:
  // Errc::Refused, naming the process, where another holds it.
  static Result<LockFile> acquire(const std::string& path);

  LockFile() = default;  // holds nothing
  LockFile(LockFile&&) = default;
  LockFile& operator=(LockFile&&) = default;
  ~LockFile() = default;

  // The orderly end: removes the file and lets go.
  void release();

  // Who took the lock, when, and whether it still holds it; nothing where there
  // is no such file.
  struct Holder {
    pid_t pid = 0;
    WallTime since{};
    bool alive = false;
  };
  static Result<std::optional<Holder>> holder(const std::string& path);

 private:
  std::string path_;
  UniqueFd fd_;
};

}  // namespace mesh::daemon
