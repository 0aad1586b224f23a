#include "base/file_batch.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace mesh::file {
namespace {

constexpr size_t kOpenMax = 64;

std::string fresh_name(const std::string& path) {
  return path + ".new-" + std::to_string(::getpid());
}

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : (slash == 0 ? "/" : path.substr(0, slash));
}

Result<void> sync_directory(const std::string& directory) {
  const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return errno_error("open " + directory);
  if (::fsync(fd.get()) != 0) return errno_error("fsync " + directory);
  return {};
}

Result<void> write_all(int fd, const std::string& path, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("write " + path);
    bytes.remove_prefix(size_t(n));
  }
  return {};
}

}  // namespace

Batch::~Batch() {
  for (const File& file : files_) ::unlink(fresh_name(file.path).c_str());
}

Result<void> Batch::add(const std::string& path, std::string_view bytes) {
  if (files_.size() == kOpenMax) MESH_TRY_VOID(put_in_place());
  const std::string fresh = fresh_name(path);
  ::unlink(fresh.c_str());  // of a process before us with our number
  UniqueFd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return errno_error("create " + fresh);
  const int number = fd.get();
  files_.push_back({path, std::move(fd)});
  if (::fchmod(number, mode_) != 0) return errno_error("chmod " + fresh);
  MESH_TRY_VOID(write_all(number, fresh, bytes));
  // Begins to write, so that the syncs wait for all at once; what it cannot, they do.
  static_cast<void>(::sync_file_range(number, 0, 0, SYNC_FILE_RANGE_WRITE));
  return {};
}

Result<void> Batch::put_in_place() {
  for (const File& file : files_)
    if (::fsync(file.fd.get()) != 0) return errno_error("fsync " + fresh_name(file.path));
  while (!files_.empty()) {
    const std::string& path = files_.back().path;
    if (::rename(fresh_name(path).c_str(), path.c_str()) != 0)
      return errno_error("rename to " + path);
    directories_.insert(directory_of(path));
    files_.pop_back();
  }
  return {};
}

Result<void> Batch::finish() {
  MESH_TRY_VOID(put_in_place());
  while (!directories_.empty()) {
    MESH_TRY_VOID(sync_directory(*directories_.begin()));
    directories_.erase(directories_.begin());
  }
  return {};
}

}  // namespace mesh::file
