// Loop: one thread's events: descriptors, deadlines, signals, tasks.
//
// The only wrapper of libevent. A turn of the loop is: wait; take the time
// once; run what is ready (descriptors, then deadlines, then posted tasks);
// run what was deferred to the end of the turn; destroy what was retired.
// libevent only collects what is ready; the loop dispatches it itself, so that
// now() is right in every callback, a watch may be destroyed at any time, and
// work over its share of a turn waits in the same queue as the kernel's events.
// All but post() and stop() belong to the loop's own thread.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "event/wheel.h"

struct event;
struct event_base;

namespace mesh::event {

class Watch;

class Loop : private Deadline::Owner {
 public:
  using Task = std::function<void()>;
  // Until Watch::start_soon() has asked the kernel, and again_soon() calls: at least this, less
  // than twice of it.
  static constexpr Duration kSoon = std::chrono::milliseconds(20);

  // Aborts when the kernel has no epoll descriptor for us: before the first
  // turn nothing works without.
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs turns until stop().
  void run();

  // Runs one turn, waiting at most `longest`. For tests and tools.
  void run_once(Duration longest);

  // run() returns after the present turn. Any thread.
  void stop();

  // The time at the start of this turn: what the hot path reads.
  Instant now() const { return wheel_.now(); }
  // Wall time, read once a turn at first use.
  WallTime wall();

  Wheel& wheel() { return wheel_; }

  // Runs `task` on this loop's thread, in a later turn. Any thread. Queued
  // without bound: callers bound what they post.
  void post(Task task);

  // Runs `task` at the end of this turn (or of the next, outside a turn).
  void defer(Task task);

  // Like defer() without an allocation: `hook` is run once at the end of this
  // turn however often it is scheduled in it. The hook outlives its run.
  class TurnEnd {
   public:
    virtual void on_turn_end() = 0;

   protected:
    ~TurnEnd();  // forgets a scheduled run
   private:
    friend class Loop;
    Loop* scheduled_ = nullptr;
  };
  void at_turn_end(TurnEnd& hook) {
    if (hook.scheduled_ != nullptr) return;
    hook.scheduled_ = this;
    turn_end_.push_back(&hook);
  }

  // Takes ownership of what must not be destroyed inside its own callback,
  // and destroys it when the turn is over.
  template <class T>
  void retire(std::unique_ptr<T> object) {
    if (object)
      retired_.emplace_back(object.release(),
                            Retired{[](void* gone) { delete static_cast<T*>(gone); }});
  }

  // For this module's own files.
  event_base* base() { return base_; }

 private:
  friend class Watch;
  // The deleter of what was retired.
  struct Retired {
    void operator()(void* object) const { destroy(object); }
    void (*destroy)(void*);
  };

  static void on_tick(int fd, short what, void* self);
  bool unfinished() const;
  void turn(Duration longest);
  void arm_tick(Duration longest);
  void run_ready();
  void run_posted();
  void run_turn_end();
  void on_deadline(Deadline& deadline) override;  // of soon_

  event_base* base_;
  ::event* tick_;  // the one libevent timer: the wheel's next deadline
  Instant tick_at_ = Instant::max();
  UniqueFd wake_fd_;
  ::event* wake_;
  Wheel wheel_;
  bool wall_known_ = false;
  WallTime wall_{};
  std::atomic<bool> stopping_{false};

  std::vector<Watch*> ready_;    // collected by libevent, or rescheduled
  std::vector<Watch*> running_;  // being dispatched; gone ones are null
  std::mutex posted_mutex_;
  std::vector<Task> posted_;
  std::vector<Task> deferred_;
  std::vector<TurnEnd*> turn_end_;
  std::vector<std::unique_ptr<void, Retired>> retired_;
  std::vector<Watch*> soon_;  // by start_soon() and again_soon()
  Deadline soon_deadline_{wheel_, *this};
};

}  // namespace mesh::event
