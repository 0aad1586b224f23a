// Hedge: the tries of a request that passed their timeout and go on, while another
// begins.
//
// Semantics: Envoy, HedgePolicy.hedge_on_per_try_timeout: the first good answer
// wins, whoever gives it; the others are given up. Made when a try first passes its
// timeout. One thread.
#pragma once

#include <memory>
#include <vector>

#include "upstream/attempt.h"

namespace mesh::forward {

class Hedge {
 public:
  static constexpr size_t kTriesMax = 4;  // under way at once, the newest among them

  ~Hedge() { cancel(); }

  // `elder` goes on; another attempt for the next try. Not when full().
  // Both `loop` and `owner` outlive us.
  upstream::Attempt* add(upstream::Attempt& elder, event::Loop& loop,
                         upstream::Attempt::Owner& owner);
  // `attempt` is no elder any more: it has won, or failed.
  void remove(const upstream::Attempt& attempt) { std::erase(elders_, &attempt); }
  bool full() const { return elders_.size() + 1 >= kTriesMax; }
  bool waiting() const { return !elders_.empty(); }
  // Gives all elders up.
  void cancel();

 private:
  std::vector<std::unique_ptr<upstream::Attempt>> own_;  // all but the exchange's
  std::vector<upstream::Attempt*> elders_;
};

}  // namespace mesh::forward
