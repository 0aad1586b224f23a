#include "daemon/lock_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "base/text.h"

namespace mesh::daemon {
namespace {

pid_t read_pid(int fd) {
  char text[16]{};
  const ssize_t n = pread(fd, text, sizeof text - 1, 0);
  const std::string_view line(text, n > 0 ? size_t(n) : 0);
  const auto pid = text::parse_uint(line.substr(0, line.find('\n')), INT32_MAX);
  return pid ? pid_t(*pid) : 0;
}

// Whether `path` still names the open file: its holder may have removed it
// between our open and our lock.
bool same_file(int fd, const std::string& path) {
  struct stat open_file {};
  struct stat named {};
  return fstat(fd, &open_file) == 0 && stat(path.c_str(), &named) == 0 &&
         open_file.st_ino == named.st_ino && open_file.st_dev == named.st_dev;
}

}  // namespace

Result<LockFile> LockFile::acquire(const std::string& path) {
  constexpr int kTriesMax = 10;
  for (int i = 0; i < kTriesMax; ++i) {
    LockFile lock;
    lock.path_ = path;
    lock.fd_.reset(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640));
    if (!lock.fd_) return errno_error("lock file " + path + ": open");
    if (flock(lock.fd_.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return errno_error("lock file " + path + ": flock");
      const pid_t pid = read_pid(lock.fd_.get());
      return Error{Errc::Refused, "already running" +
                                      (pid > 0 ? " as process " + std::to_string(pid) : "") +
                                      " (it holds " + path + ")"};
    }
    if (!same_file(lock.fd_.get(), path)) continue;
    const std::string pid = std::to_string(getpid()) + "\n";
    if (ftruncate(lock.fd_.get(), 0) != 0 ||
        pwrite(lock.fd_.get(), pid.data(), pid.size(), 0) != ssize_t(pid.size()))
      return errno_error("lock file " + path + ": write");
    return lock;
  }
  return Error{Errc::Unavailable, "lock file " + path + " comes and goes"};
}

void LockFile::release() {
  if (!fd_) return;
  unlink(path_.c_str());
  fd_.reset();
}

Result<std::optional<LockFile::Holder>> LockFile::holder(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) {
    if (errno == ENOENT) return std::optional<Holder>();
    return errno_error("open " + path);
  }
  struct stat st {};
  if (fstat(fd.get(), &st) != 0) return errno_error("fstat " + path);
  Holder found;
  found.pid = read_pid(fd.get());
  found.since = WallTime(std::chrono::seconds(st.st_mtim.tv_sec));
  found.alive = flock(fd.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  return std::optional<Holder>(found);
}

}  // namespace mesh::daemon
