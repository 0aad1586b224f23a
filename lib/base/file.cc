#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/file_batch.h"
#include "base/unique_fd.h"

namespace mesh::file {
namespace {

// `flags`: O_NONBLOCK where a pipe that nobody writes must not hold us.
Result<UniqueFd> open_to_read(const std::string& path, int flags) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | flags));
  if (fd) return fd;
  Error error = errno_error("open " + path);
  if (errno == ENOENT) error.kind = Errc::NotFound;
  return error;
}

Result<std::string> read_all(int fd, const std::string& path, size_t bytes_max) {
  std::string bytes;
  char piece[16 * 1024];
  for (;;) {
    const ssize_t n = ::read(fd, piece, sizeof piece);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read " + path);
    if (n == 0) return bytes;
    if (bytes.size() + size_t(n) > bytes_max)
      return Error{Errc::TooBig, path + " is over " + std::to_string(bytes_max) + " bytes"};
    bytes.append(piece, size_t(n));
  }
}

Result<void> sync_directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string directory =
      slash == std::string::npos ? "." : (slash == 0 ? "/" : path.substr(0, slash));
  const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return errno_error("open " + directory);
  if (::fsync(fd.get()) != 0) return errno_error("fsync " + directory);
  return {};
}

}  // namespace

Result<std::string> read(const std::string& path, size_t bytes_max) {
  MESH_TRY(const UniqueFd fd, open_to_read(path, O_NONBLOCK));
  return read_all(fd.get(), path, bytes_max);
}

Result<std::string> read_input(const std::string& path, size_t bytes_max) {
  if (path == "-") return read_all(STDIN_FILENO, "stdin", bytes_max);
  MESH_TRY(const UniqueFd fd, open_to_read(path, 0));
  return read_all(fd.get(), path, bytes_max);
}

Result<std::string> read_secret(const std::string& path, size_t bytes_max, bool group) {
  MESH_TRY(const UniqueFd fd, open_to_read(path, O_NONBLOCK));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return errno_error("stat " + path);
  if (!S_ISREG(status.st_mode)) return Error{Errc::Refused, path + " is not a regular file"};
  if (status.st_uid != ::geteuid() && status.st_uid != 0)
    return Error{Errc::Refused,
                 path + " belongs to uid " + std::to_string(status.st_uid) + ", expected ours"};
  if ((status.st_mode & (group ? 07137 : 07177)) != 0) {
    char mode[8];
    std::snprintf(mode, sizeof mode, "%04o", unsigned(status.st_mode & 07777));
    return Error{Errc::Refused, path + " has mode " + mode + ", expected 0600 or 0400" +
                                    (group ? " or 0640" : "")};
  }
  return read_all(fd.get(), path, bytes_max);
}

Result<void> write(const std::string& path, std::string_view bytes, unsigned mode) {
  Batch batch(mode);
  MESH_TRY_VOID(batch.add(path, bytes));
  return batch.finish();
}

Result<void> remove(const std::string& path) {
  if (::unlink(path.c_str()) != 0) {
    Error error = errno_error("remove " + path);
    if (errno == ENOENT) error.kind = Errc::NotFound;
    return error;
  }
  return sync_directory_of(path);
}

}  // namespace mesh::file
