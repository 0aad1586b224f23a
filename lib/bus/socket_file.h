// SocketFile: the server's listening AF_UNIX socket in the file system.
//
// libzmq's own bind steals a path from a living server without a word and
// leaves the mode to the umask. Here the path is guarded by a lock (PATH.lock,
// flock), and the socket appears at its path in one step, with its mode and
// group set, listening.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace mesh::bus {

class SocketFile {
 public:
  static constexpr size_t kPathBytesMax = 100;  // sun_path holds 107 and we need ".new"

  // Errc::Refused: another process holds the lock. Errc::Invalid: path too long.
  static Result<SocketFile> open(std::string path, mode_t mode, std::optional<gid_t> group);

  SocketFile(SocketFile&&) = default;
  SocketFile& operator=(SocketFile&&) = delete;
  ~SocketFile();  // removes the socket if it is still ours, and unlocks

  // A descriptor of the listening socket, to be given away.
  Result<UniqueFd> listening() const;

  // False: the path was removed or replaced behind our back.
  bool intact() const;

  // Takes the socket from its path, so that nobody can connect, and puts it
  // back. Connections are not touched; those in the kernel's queue come through.
  Result<void> hide();
  Result<void> show();
  bool hidden() const { return hidden_; }

  // Makes it anew, not hidden. Connections of the old one live on.
  Result<void> make();

  const std::string& path() const { return path_; }

 private:
  SocketFile(std::string path, mode_t mode, std::optional<gid_t> group)
      : path_(std::move(path)), mode_(mode), group_(group) {}

  std::string place() const { return hidden_ ? path_ + ".off" : path_; }

  std::string path_;  // empty: moved from
  mode_t mode_;
  std::optional<gid_t> group_;
  UniqueFd lock_;
  UniqueFd socket_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  bool hidden_ = false;
};

}  // namespace mesh::bus
