// DirectoryWatch: says when the directory has changed and is quiet again.
//
// inotify on the directory and on the folder it is in, so that a symbolic link
// swapped to another directory is noticed at once. Where the kernel gives no
// watch, or there is no directory yet, it looks every two seconds. One thread,
// the loop's.
#pragma once

#include <functional>
#include <string>

#include "base/unique_fd.h"
#include "event/timer.h"
#include "event/watch.h"

namespace mesh::configd {

class DirectoryWatch final : private event::Watch::Handler {
 public:
  // `changed` may be called without a change, never misses one. Of writing
  // without end it hears every kSettleMax.
  DirectoryWatch(event::Loop& loop, std::string directory, Duration settle,
                 std::function<void()> changed);
  ~DirectoryWatch();

  void set_settle(Duration settle) { settle_ = settle; }

 private:
  void on_ready(bool readable, bool writable) override;
  void watch_again();
  void settled();

  event::Loop& loop_;
  const std::string directory_;
  Duration settle_;
  const std::function<void()> changed_;
  UniqueFd inotify_;
  int directory_id_ = -1;
  int parent_id_ = -1;
  event::Watch watch_;
  event::Timer settle_timer_;
  event::Timer poll_timer_;
  Instant first_change_{};
};

}  // namespace mesh::configd
