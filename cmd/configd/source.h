// Source: the directory of objects, read as a whole and edited as a whole.
//
// An edit of several files is written to STATE/pending first, and finished
// from there after a crash: the directory never stays half-edited.
#pragma once

#include <string>
#include <vector>

#include "config/directory.h"

namespace mesh::configd {

class Source {
 public:
  Source(std::string directory, std::string state_dir);

  // Finishes the edit that a crash interrupted. Errc::System.
  Result<void> recover();

  // As config::read_directory().
  Result<config::Reading> read() const;

  // Makes the directory say `to` instead of what was read, all or nothing.
  // On an error the files are as they were.
  Result<void> edit(const config::Reading& from, const config::ObjectSet& to);
  // Takes back the last edit.
  void undo();

  const std::string& directory() const { return directory_; }

 private:
  Result<void> perform(const std::vector<config::FileEdit>& edits) const;

  const std::string directory_;
  const std::string pending_;
  std::vector<config::FileEdit> undo_;
};

}  // namespace mesh::configd
