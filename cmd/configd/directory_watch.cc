#include "cmd/configd/directory_watch.h"

#include <sys/inotify.h>

#include <cstring>
#include <filesystem>

#include "base/log.h"

namespace mesh::configd {
namespace {

constexpr Duration kSettleMax = std::chrono::seconds(2);
constexpr Duration kPoll = std::chrono::seconds(2);
constexpr uint32_t kInside = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE |
                             IN_MODIFY | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr uint32_t kBeside = IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ONLYDIR;

std::string parent_of(const std::string& directory) {
  const auto parent = std::filesystem::path(directory).parent_path();
  return parent.empty() ? "." : parent.string();
}

}  // namespace

DirectoryWatch::DirectoryWatch(event::Loop& loop, std::string directory, Duration settle,
                               std::function<void()> changed)
    : loop_(loop),
      directory_(std::move(directory)),
      settle_(settle),
      changed_(std::move(changed)),
      inotify_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)),
      watch_(loop, *this),
      settle_timer_(loop, [this] { settled(); }),
      poll_timer_(loop, [this] {
        watch_again();
        changed_();
      }) {
  if (!inotify_ || !watch_.start(inotify_.get(), event::Watch::Interest::Read)) {
    log::warning("no inotify; looking at the directory every 2 s", {{"directory", directory_}});
    inotify_.reset();
  }
  watch_again();
}

DirectoryWatch::~DirectoryWatch() { watch_.stop(); }

void DirectoryWatch::watch_again() {
  if (inotify_) {
    if (directory_id_ >= 0) inotify_rm_watch(inotify_.get(), directory_id_);
    directory_id_ = inotify_add_watch(inotify_.get(), directory_.c_str(), kInside);
    parent_id_ = inotify_add_watch(inotify_.get(), parent_of(directory_).c_str(), kBeside);
  }
  if (directory_id_ < 0 || parent_id_ < 0) poll_timer_.arm(kPoll);
}

void DirectoryWatch::on_ready(bool, bool) {
  const std::string own_name = std::filesystem::path(directory_).filename().string();
  bool inside = false;
  bool swapped = false;
  alignas(inotify_event) char buffer[16 * 1024];
  for (ssize_t n = 0; (n = ::read(inotify_.get(), buffer, sizeof buffer)) > 0;) {
    for (ssize_t at = 0; at < n;) {
      inotify_event event;
      std::memcpy(&event, buffer + at, sizeof event);
      const char* const name = buffer + at + sizeof event;
      at += ssize_t(sizeof event + event.len);
      const bool gone = (event.mask & (IN_DELETE_SELF | IN_MOVE_SELF)) != 0;
      if ((event.mask & IN_Q_OVERFLOW) != 0 || (event.wd == directory_id_ && gone))
        swapped = true;
      else if (event.wd == parent_id_ && event.len > 0 && own_name == name)
        swapped = true;
      else if (event.wd == directory_id_ && (event.mask & IN_IGNORED) == 0)
        inside = true;
    }
  }
  if (swapped) {
    watch_again();
    settle_timer_.cancel();
    return changed_();
  }
  if (!inside) return;
  if (!settle_timer_.armed()) first_change_ = loop_.now();
  if (loop_.now() - first_change_ < kSettleMax) settle_timer_.arm(settle_);
}

void DirectoryWatch::settled() { changed_(); }

}  // namespace mesh::configd
