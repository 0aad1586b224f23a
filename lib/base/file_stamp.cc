#include "base/file_stamp.h"

#include <sys/stat.h>

namespace mesh {

FileStamp FileStamp::of(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return {};
  return {.device = uint64_t(found.st_dev),
          .inode = uint64_t(found.st_ino),
          .bytes = uint64_t(found.st_size),
          .modified_ns = int64_t(found.st_mtim.tv_sec) * 1'000'000'000 + found.st_mtim.tv_nsec};
}

}  // namespace mesh
