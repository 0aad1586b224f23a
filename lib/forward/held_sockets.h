// HeldSockets: connections that were refused and are closed a little later, so that who opens
// them in a loop is slowed down. Nothing is read or written. One thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "event/loop.h"

namespace mesh::forward {

class HeldSockets final : private event::Deadline::Owner {
 public:
  // At once; what is over it is closed.
  static constexpr size_t kMost = 1024;

  explicit HeldSockets(event::Loop& loop) : loop_(loop), next_(loop.wheel(), *this) {}

  void hold(UniqueFd fd, Duration time) {
    if (held_.size() >= kMost) return;
    const Instant until = loop_.now() + time;
    held_.emplace_back(until, std::move(fd));
    if (held_.size() == 1 || until < earliest_) arm(until);
  }

 private:
  void on_deadline(event::Deadline&) override {
    Instant earliest = Instant::max();
    std::erase_if(held_, [&](const auto& one) {
      if (one.first <= loop_.now()) return true;
      earliest = std::min(earliest, one.first);
      return false;
    });
    if (!held_.empty()) arm(earliest);
  }
  void arm(Instant until) {
    earliest_ = until;
    next_.arm(std::max<Duration>(until - loop_.now(), Duration::zero()));
  }

  event::Loop& loop_;
  event::Deadline next_;
  Instant earliest_{};
  std::vector<std::pair<Instant, UniqueFd>> held_;
};

}  // namespace mesh::forward
