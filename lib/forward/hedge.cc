#include "forward/hedge.h"

#include <optional>
#include <utility>

namespace mesh::forward {

upstream::Attempt* Hedge::add(upstream::Attempt& elder, event::Loop& loop,
                              upstream::Attempt::Owner& owner) {
  elders_.push_back(&elder);
  for (const auto& attempt : own_)
    if (!attempt->active()) return attempt.get();
  own_.push_back(std::make_unique<upstream::Attempt>(loop, owner));
  return own_.back().get();
}

void Hedge::cancel() {
  for (upstream::Attempt* const elder : std::exchange(elders_, {})) elder->cancel(std::nullopt);
}

}  // namespace mesh::forward
