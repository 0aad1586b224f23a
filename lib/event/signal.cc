#include "event/signal.h"

#include <event2/event.h>

#include "base/check.h"

namespace mesh::event {

Signal::Signal(Loop& loop, int number, std::function<void()> fire)
    : loop_(loop),
      fire_(std::make_shared<std::function<void()>>(std::move(fire))),
      event_(evsignal_new(loop.base(), number, &Signal::on_signal, this)) {
  MESH_CHECK(event_ != nullptr && event_add(event_, nullptr) == 0);
}

Signal::~Signal() { event_free(event_); }

// Deferred, so that the callback sees this turn's time as all others do; not
// run where the Signal is gone by then.
void Signal::on_signal(int, short, void* self) {
  auto* const signal = static_cast<Signal*>(self);
  signal->loop_.defer([weak = std::weak_ptr(signal->fire_)] {
    if (const auto fire = weak.lock()) (*fire)();
  });
}

}  // namespace mesh::event
