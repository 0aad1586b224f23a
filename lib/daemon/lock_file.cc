#include "daemon/lock_file.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

#include "base/text.h"

namespace mesh::daemon {

Result<LockFile> LockFile::acquire(const std::string& path) {
  LockFile lock;
  lock.fd_.reset(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640));
  if (!lock.fd_) return errno_error("lock file " + path + ": open");
  if (flock(lock.fd_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return errno_error("lock file " + path + ": flock");
    char text[16]{};
    const ssize_t n = pread(lock.fd_.get(), text, sizeof text - 1, 0);
    const auto line = std::string_view(text, n > 0 ? size_t(n) : 0);
    const auto pid = text::parse_uint(line.substr(0, line.find('\n')));
    return Error{Errc::Refused, "already running" +
                                    (pid ? " as process " + std::to_string(*pid) : std::string()) +
                                    " (it holds " + path + ")"};
  }
  const std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(lock.fd_.get(), 0) != 0 ||
      pwrite(lock.fd_.get(), pid.data(), pid.size(), 0) != ssize_t(pid.size()))
    return errno_error("lock file " + path + ": write");
  return lock;
}

}  // namespace mesh::daemon
