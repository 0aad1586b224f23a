// Batch: several files that are written as file::write() does, on disk together for little
// more than the wait that one of them takes.
//
// Each is its old or its new self after a crash; the order among them is not said. Blocking.
// One thread.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace mesh::file {

class Batch {
 public:
  explicit Batch(unsigned mode) : mode_(mode) {}  // whatever the umask
  // What was not finished is taken back, as far as it is not in place yet.
  ~Batch();
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  // Replaces or creates `path`, at the latest in finish(). On an error the old file stands.
  Result<void> add(const std::string& path, std::string_view bytes);
  // All that was added is in place and on disk when it returns without an error.
  Result<void> finish();

 private:
  struct File {
    std::string path;
    UniqueFd fd;
  };
  Result<void> put_in_place();

  const unsigned mode_;
  std::vector<File> files_;            // written beside, not yet synced
  std::set<std::string> directories_;  // to be synced
};

}  // namespace mesh::file
