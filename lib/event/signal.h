// Signals of the process, as callbacks on the main loop.
#pragma once

#include <functional>
#include <memory>

#include "event/loop.h"

namespace mesh::event {

// Calls `fire` on the loop's thread each time `number` (SIGTERM, ...) came.
// One Signal a number in a process. Destroying it restores the default action.
class Signal {
 public:
  Signal(Loop& loop, int number, std::function<void()> fire);
  ~Signal();
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

 private:
  static void on_signal(int, short, void* self);

  Loop& loop_;
  std::shared_ptr<std::function<void()>> fire_;  // shared with what is deferred
  ::event* event_;
};

}  // namespace mesh::event
