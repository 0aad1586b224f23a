#include "event/signal.h"

#include <event2/event.h>

#include "base/check.h"

namespace mesh::event {

Signal::Signal(Loop& loop, int number, std::function<void()> fire)
    : loop_(loop),
      fire_(std::move(fire)),
      event_(evsignal_new(loop.base(), number, &Signal::on_signal, this)) {
  MESH_CHECK(event_ != nullptr && event_add(event_, nullptr) == 0);
}

Signal::~Signal() { event_free(event_); }

// Deferred, so that the callback sees this turn's time as all others do.
void Signal::on_signal(int, short, void* self) {
  auto* const signal = static_cast<Signal*>(self);
  signal->loop_.defer(signal->fire_);
}

}  // namespace mesh::event
