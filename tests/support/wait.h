// wait_for: waits for a fact, with a deadline. Tests never sleep.
#pragma once

#include <poll.h>

#include <chrono>
#include <cstdint>

namespace mesh::support {

// Whole milliseconds from `start` until now.
inline int64_t ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                               start)
      .count();
}

// Asks `fact` every few milliseconds until it is true, at most `limit`. Gives
// its last answer. Generous limits cost nothing when the fact comes early.
template <class Fact>
bool wait_for(Fact fact, std::chrono::milliseconds limit = std::chrono::seconds(10)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  for (;;) {
    if (fact()) return true;
    if (std::chrono::steady_clock::now() >= end) return false;
    ::poll(nullptr, 0, 5);
  }
}

// The same on a loop: runs its turns until the fact is true.
template <class Loop, class Fact>
bool run_until(Loop& loop, Fact fact, std::chrono::milliseconds limit = std::chrono::seconds(10)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!fact()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    loop.run_once(std::chrono::milliseconds(20));
  }
  return true;
}

}  // namespace mesh::support
