// Watch: a descriptor registered once, edge-triggered, for reading and
// writing.
//
// The handler hears of an edge and must remember it: read or write until
// EAGAIN (or a short read), or call again() to be called in the next turn
// without a new edge, when its share of this turn is used up. No epoll_ctl in
// steady state. One thread, the loop's.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "event/loop.h"

namespace mesh::event {

class Watch {
 public:
  class Handler {
   public:
    // Either or both are set. Errors and hang-ups come as both: the next read
    // or write tells.
    virtual void on_ready(bool readable, bool writable) = 0;

   protected:
    ~Handler() = default;
  };

  enum class Interest : uint8_t { Read, ReadWrite };

  Watch(Loop& loop, Handler& handler) : loop_(loop), handler_(handler) {}  // both outlive us
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch() { stop(); }

  // Registers `fd`, which must be non-blocking and stay open until stop().
  // Errc::System where the kernel refuses (no descriptor left, a plain file).
  Result<void> start(int fd, Interest interest = Interest::ReadWrite);

  // As start(), but the kernel is asked only after Loop::kSoon, or by start(): for a
  // descriptor that is likely to be closed before, which then costs no system call.
  void start_soon(int fd);

  // Unregisters. Call it before the descriptor is closed.
  void stop();

  bool started() const { return event_ != nullptr; }

  // The peer has ended its direction, or the connection is gone: read until the
  // end is met, since no further edge announces it. Stays true.
  bool hung_up() const { return hung_up_; }

  // Calls the handler again in the next turn with these flags, as if the
  // kernel had said so.
  void again(bool readable, bool writable);

  // As again(true, false), but once after Loop::kSoon, however often it is asked for until
  // then: for who takes a short read for the end of what is there. A reset that came with
  // those bytes is not hung_up() (libevent reports an error as readable and writable), and
  // has no edge of its own. Only while started().
  void again_soon();

 private:
  friend class Loop;
  static constexpr uint32_t kNotSoon = UINT32_MAX;
  static void on_event(int fd, short what, void* self);
  void dispatch();
  void soon();
  void forget_soon();

  Loop& loop_;
  Handler& handler_;
  ::event* event_ = nullptr;
  int soon_fd_ = -1;
  uint32_t soon_slot_ = kNotSoon;  // in the loop's list
  bool soon_seen_ = false;         // it was there at the last look already
  bool readable_ = false;
  bool writable_ = false;
  bool queued_ = false;  // in the loop's ready list
  bool hung_up_ = false;
};

}  // namespace mesh::event
