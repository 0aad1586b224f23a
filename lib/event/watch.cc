#include "event/watch.h"

#include <event2/event.h>

#include <algorithm>

#include "base/check.h"

namespace mesh::event {

Result<void> Watch::start(int fd, Interest interest) {
  MESH_CHECK(event_ == nullptr);
  forget_soon();
  const short what = short(EV_ET | EV_PERSIST | EV_READ |
                           (interest == Interest::ReadWrite ? EV_WRITE | EV_CLOSED : 0));
  event_ = event_new(loop_.base(), fd, what, &Watch::on_event, this);
  MESH_CHECK(event_ != nullptr);
  if (event_add(event_, nullptr) != 0) {
    const Error error = errno_error("watch descriptor " + std::to_string(fd));
    event_free(event_);
    event_ = nullptr;
    return error;
  }
  return {};
}

void Watch::start_soon(int fd) {
  MESH_CHECK(event_ == nullptr);
  soon_fd_ = fd;
  soon();
}

void Watch::again_soon() {
  if (event_ != nullptr) soon();
}

void Watch::soon() {
  if (soon_slot_ != kNotSoon) return;
  soon_seen_ = false;
  soon_slot_ = uint32_t(loop_.soon_.size());
  loop_.soon_.push_back(this);
  if (!loop_.soon_deadline_.armed()) loop_.soon_deadline_.arm(Loop::kSoon);
}

void Watch::forget_soon() {
  if (soon_slot_ == kNotSoon) return;
  Watch* const last = loop_.soon_.back();
  loop_.soon_[soon_slot_] = last;
  last->soon_slot_ = soon_slot_;
  loop_.soon_.pop_back();
  soon_slot_ = kNotSoon;
}

void Watch::stop() {
  forget_soon();
  if (event_ != nullptr) {
    event_free(event_);  // deletes it first
    event_ = nullptr;
  }
  if (queued_) {
    const auto forget = [this](std::vector<Watch*>& list) {
      std::replace(list.begin(), list.end(), this, static_cast<Watch*>(nullptr));
    };
    forget(loop_.ready_);
    forget(loop_.running_);
    queued_ = false;
  }
  readable_ = writable_ = hung_up_ = false;
}

void Watch::again(bool readable, bool writable) {
  readable_ |= readable;
  writable_ |= writable;
  if (queued_) return;
  queued_ = true;
  loop_.ready_.push_back(this);
}

void Watch::on_event(int, short what, void* self) {
  auto& watch = *static_cast<Watch*>(self);
  // A hang-up that came with the last bytes has no edge of its own.
  if ((what & EV_CLOSED) != 0) watch.hung_up_ = true;
  watch.again((what & (EV_READ | EV_CLOSED)) != 0, (what & EV_WRITE) != 0);
}

void Watch::dispatch() {
  const bool readable = std::exchange(readable_, false);
  const bool writable = std::exchange(writable_, false);
  queued_ = false;
  handler_.on_ready(readable, writable);
}

}  // namespace mesh::event
