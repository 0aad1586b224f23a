#include "event/loop.h"

#include <event2/event.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "event/watch.h"

namespace mesh::event {
namespace {

void on_wake(evutil_socket_t fd, short, void*) {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t n = read(int(fd), &count, sizeof count);
}

// libevent's own words; what failed reaches our caller as an error besides.
void on_log(int severity, const char* text) {
  if (severity >= EVENT_LOG_ERR)
    log::error("libevent", {{"says", text}});
  else
    MESH_DEBUG("libevent", {{"says", text}});
}

event_base* new_base() {
  event_set_log_callback(on_log);
  event_config* config = event_config_new();
  MESH_CHECK(config != nullptr);
  // One thread a base: no locks. The environment must not choose the backend.
  event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
  event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
  event_config_require_features(config, EV_FEATURE_ET | EV_FEATURE_O1 | EV_FEATURE_EARLY_CLOSE);
  event_base* base = event_base_new_with_config(config);
  event_config_free(config);
  MESH_CHECK(base != nullptr);
  return base;
}

timeval to_timeval(Duration d) {
  const auto us = std::chrono::ceil<std::chrono::microseconds>(d).count();
  return {.tv_sec = us / 1'000'000, .tv_usec = us % 1'000'000};
}

}  // namespace

Loop::TurnEnd::~TurnEnd() {
  if (scheduled_ != nullptr)
    std::replace(scheduled_->turn_end_.begin(), scheduled_->turn_end_.end(), this,
                 static_cast<TurnEnd*>(nullptr));
}

Loop::Loop()
    : base_(new_base()),
      tick_(evtimer_new(base_, &Loop::on_tick, this)),
      wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      wake_(event_new(base_, wake_fd_.get(), EV_READ | EV_PERSIST | EV_ET, on_wake, nullptr)),
      wheel_(std::chrono::steady_clock::now()) {
  MESH_CHECK(tick_ != nullptr && wake_fd_ && wake_ != nullptr);
  MESH_CHECK(event_add(wake_, nullptr) == 0);
}

Loop::~Loop() {
  // What was retired or posted may own deadlines and watches: it goes first.
  // Destroying it may retire and post more.
  constexpr int kRoundsMax = 16;
  for (int round = 0;
       round < kRoundsMax && !(retired_.empty() && posted_.empty() && deferred_.empty()); ++round) {
    const auto retired = std::exchange(retired_, {});
    const auto deferred = std::exchange(deferred_, {});
    const auto posted = [this] {
      const std::lock_guard lock(posted_mutex_);
      return std::exchange(posted_, {});
    }();
  }
  event_free(wake_);
  event_free(tick_);
  event_base_free(base_);
}

// Waking up is all: turn() looks at the wheel. libevent's coarse clock may ring
// before the steady clock says so; then the timer must be armed again.
void Loop::on_tick(int, short, void* self) { static_cast<Loop*>(self)->tick_at_ = Instant::max(); }

void Loop::run() {
  while (!stopping_.load(std::memory_order_relaxed)) turn(Duration::max());
  stopping_.store(false, std::memory_order_relaxed);
}

void Loop::run_once(Duration longest) { turn(longest); }

void Loop::stop() {
  stopping_.store(true, std::memory_order_relaxed);
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(wake_fd_.get(), &one, sizeof one);
}

void Loop::post(Task task) {
  {
    const std::lock_guard lock(posted_mutex_);
    posted_.push_back(std::move(task));
    if (posted_.size() > 1) return;  // the wake-up is under way
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(wake_fd_.get(), &one, sizeof one);
}

void Loop::defer(Task task) { deferred_.push_back(std::move(task)); }

WallTime Loop::wall() {
  if (!wall_known_) {
    wall_ = std::chrono::system_clock::now();
    wall_known_ = true;
  }
  return wall_;
}

// Work that is here already: the next turn must not wait for more.
bool Loop::unfinished() const {
  return !ready_.empty() || !deferred_.empty() || !turn_end_.empty() || !retired_.empty();
}

// The timer moves only to an earlier time; waking up too early is harmless.
void Loop::arm_tick(Duration longest) {
  Instant due = wheel_.next();
  if (due >= tick_at_ && longest == Duration::max()) return;
  const Instant now = std::chrono::steady_clock::now();
  if (longest != Duration::max()) due = std::min(due, now + longest);
  if (due >= tick_at_) return;
  const timeval wait = to_timeval(std::max(Duration::zero(), Duration(due - now)));
  event_add(tick_, &wait);
  tick_at_ = due;
}

void Loop::run_ready() {
  running_.swap(ready_);
  for (size_t i = 0; i < running_.size(); ++i)
    if (Watch* const watch = std::exchange(running_[i], nullptr)) watch->dispatch();
  running_.clear();
}

void Loop::run_posted() {
  std::vector<Task> tasks;
  {
    const std::lock_guard lock(posted_mutex_);
    if (posted_.empty()) return;
    tasks.swap(posted_);
  }
  for (Task& task : tasks) task();
}

// Those that the last look has seen already have waited for kSoon. What the kernel
// refuses is asked again.
void Loop::on_deadline(Deadline&) {
  for (size_t i = soon_.size(); i-- > 0;) {
    Watch& watch = *soon_[i];
    if (!std::exchange(watch.soon_seen_, true)) continue;
    if (watch.started()) {
      watch.forget_soon();
      watch.again(true, false);
      continue;
    }
    if (const int fd = watch.soon_fd_; !watch.start(fd)) watch.start_soon(fd);
  }
  if (!soon_.empty()) soon_deadline_.arm(kSoon);
}

// What runs here may schedule more: a bounded number of rounds, the rest waits
// for the next turn, which then does not wait.
void Loop::run_turn_end() {
  constexpr int kRoundsMax = 4;
  for (int round = 0; round < kRoundsMax; ++round) {
    if (deferred_.empty() && turn_end_.empty()) return;
    if (!deferred_.empty()) {
      std::vector<Task> tasks;
      tasks.swap(deferred_);
      for (Task& task : tasks) task();
    }
    const size_t count = turn_end_.size();
    for (size_t i = 0; i < count; ++i) {
      TurnEnd* const hook = std::exchange(turn_end_[i], nullptr);
      if (hook == nullptr) continue;
      hook->scheduled_ = nullptr;
      hook->on_turn_end();
    }
    turn_end_.erase(turn_end_.begin(), turn_end_.begin() + ptrdiff_t(count));
  }
}

void Loop::turn(Duration longest) {
  const bool wait = !unfinished();
  if (wait) arm_tick(longest);
  event_base_loop(base_, wait ? EVLOOP_ONCE : EVLOOP_NONBLOCK);
  wheel_.set_now(std::chrono::steady_clock::now());
  wall_known_ = false;
  run_ready();
  wheel_.advance();
  run_posted();
  run_turn_end();
  // Destructors may retire more.
  std::vector<std::unique_ptr<void, Retired>> retired;
  retired.swap(retired_);
}

}  // namespace mesh::event
