#include "bus/socket_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace mesh::bus {
namespace {

constexpr int kBacklog = 128;

}  // namespace

Result<SocketFile> SocketFile::open(std::string path, mode_t mode, std::optional<gid_t> group) {
  if (path.empty() || path.size() > kPathBytesMax)
    return Error{Errc::Invalid, "socket path must have 1 to 100 bytes: " + path};
  SocketFile file(std::move(path), mode, group);
  const std::string lock = file.path_ + ".lock";
  file.lock_ = UniqueFd(::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.lock_) return errno_error("open " + lock);
  if (flock(file.lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK)
      return Error{Errc::Refused,
                   "another process serves " + file.path_ + " (it holds " + lock + ")"};
    return errno_error("flock " + lock);
  }
  MESH_TRY_VOID(file.make());
  return file;
}

SocketFile::~SocketFile() {
  if (lock_ && intact()) unlink(place().c_str());
}

Result<void> SocketFile::make() {
  const std::string fresh = path_ + ".new";
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno_error("socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, fresh.data(), fresh.size());
  // Left by a process that died between here and the rename; we hold the lock.
  unlink(fresh.c_str());
  // Nobody can connect before listen(), so the mode of this moment is no gap.
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return errno_error("bind " + fresh);
  const auto failed = [&](const std::string& doing) {
    Error error = errno_error(doing);
    unlink(fresh.c_str());
    return error;
  };
  if (group_ && chown(fresh.c_str(), uid_t(-1), *group_) != 0) return failed("chown " + fresh);
  if (chmod(fresh.c_str(), mode_) != 0) return failed("chmod " + fresh);
  struct stat st {};
  if (lstat(fresh.c_str(), &st) != 0) return failed("stat " + fresh);
  if (::listen(fd.get(), kBacklog) != 0) return failed("listen on " + fresh);
  if (rename(fresh.c_str(), path_.c_str()) != 0) return failed("rename " + fresh);
  device_ = st.st_dev;
  inode_ = st.st_ino;
  socket_ = std::move(fd);
  hidden_ = false;
  return {};
}

Result<void> SocketFile::hide() {
  if (rename(path_.c_str(), (path_ + ".off").c_str()) != 0) return errno_error("hide " + path_);
  hidden_ = true;
  return {};
}

Result<void> SocketFile::show() {
  if (rename((path_ + ".off").c_str(), path_.c_str()) != 0) return errno_error("show " + path_);
  hidden_ = false;
  return {};
}

Result<UniqueFd> SocketFile::listening() const {
  UniqueFd fd(fcntl(socket_.get(), F_DUPFD_CLOEXEC, 0));
  if (!fd) return errno_error("duplicate " + path_);
  return fd;
}

bool SocketFile::intact() const {
  struct stat st {};
  return lstat(place().c_str(), &st) == 0 && st.st_dev == device_ && st.st_ino == inode_;
}

}  // namespace mesh::bus
