// Timer: a deadline with a function, for what is not on the hot path.
#pragma once

#include <functional>

#include "event/loop.h"

namespace mesh::event {

class Timer final : private Deadline::Owner {
 public:
  // `fire` runs on the loop's thread and may arm the timer anew or destroy it.
  Timer(Loop& loop, std::function<void()> fire)
      : fire_(std::move(fire)), deadline_(loop.wheel(), *this) {}

  void arm(Duration after) { deadline_.arm(after); }
  void cancel() { deadline_.cancel(); }
  bool armed() const { return deadline_.armed(); }

 private:
  void on_deadline(Deadline&) override {
    const auto fire = fire_;  // it may destroy us
    fire();
  }

  std::function<void()> fire_;
  Deadline deadline_;
};

}  // namespace mesh::event
