// FileStamp: whether a file is still the one that was read, without reading it.
//
// By what the name leads to: a link that leads elsewhere, a file renamed over it and one
// written anew are other files; so is one that comes or goes. Value.
#pragma once

#include <cstdint>
#include <string>

namespace mesh {

struct FileStamp {
  uint64_t device = 0;
  uint64_t inode = 0;  // 0: there is no file, or it cannot be looked at
  uint64_t bytes = 0;
  int64_t modified_ns = 0;

  static FileStamp of(const std::string& path);
  bool operator==(const FileStamp&) const = default;
};

}  // namespace mesh
