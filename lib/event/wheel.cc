#include "event/wheel.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace mesh::event {
namespace {

// Marks the end of a list, so that next_ != nullptr means "armed".
Deadline* const kEnd = reinterpret_cast<Deadline*>(uintptr_t{1});

}  // namespace

void Deadline::arm(Duration after) {
  cancel();
  constexpr Duration kLongest = std::chrono::hours(24 * 366 * 10);  // far below an overflow
  after = std::clamp(after, Duration::zero(), kLongest);
  tick_ = wheel_.tick_of(wheel_.now_ + after);
  wheel_.insert(*this);
}

void Deadline::cancel() {
  if (armed()) wheel_.unlink(*this);
}

Instant Deadline::at() const { return wheel_.start_ + Wheel::kTick * int64_t(tick_); }

Wheel::Wheel(Instant now)
    : start_(now), now_(now), slots_(kSlots, kEnd), occupied_(kSlots / 64, 0), firing_(kEnd) {}

Wheel::~Wheel() { MESH_CHECK(size_ == 0); }

// Rounded up, and never a tick that has fired already: late, not early.
uint64_t Wheel::tick_of(Instant at) const {
  const uint64_t tick = uint64_t((at - start_ + kTick - Duration(1)) / kTick);
  return tick > done_ ? tick : done_ + 1;
}

void Wheel::insert(Deadline& d) {
  const size_t slot = d.tick_ % kSlots;
  d.next_ = slots_[slot];
  d.link_ = &slots_[slot];
  if (d.next_ != kEnd) d.next_->link_ = &d.next_;
  slots_[slot] = &d;
  occupied_[slot / 64] |= uint64_t{1} << (slot % 64);
  ++size_;
}

void Wheel::unlink(Deadline& d) {
  *d.link_ = d.next_;
  if (d.next_ != kEnd) d.next_->link_ = d.link_;
  const size_t slot = d.tick_ % kSlots;
  if (slots_[slot] == kEnd) occupied_[slot / 64] &= ~(uint64_t{1} << (slot % 64));
  d.next_ = nullptr;
  d.link_ = nullptr;
  --size_;
}

void Wheel::advance() {
  const uint64_t target = uint64_t((now_ - start_) / kTick);
  if (target <= done_) return;
  // After a long sleep one revolution sees every slot.
  const uint64_t first = target - done_ > kSlots ? target - kSlots + 1 : done_ + 1;
  done_ = target;
  // All that is due moves to one list before anything fires, so that what an
  // owner arms in its callback waits for a later turn. Earlier ticks come first.
  Deadline** tail = &firing_;
  for (uint64_t tick = first; tick <= target; ++tick) {
    const size_t slot = tick % kSlots;
    if ((occupied_[slot / 64] & (uint64_t{1} << (slot % 64))) == 0) continue;
    for (Deadline* d = slots_[slot]; d != kEnd;) {
      Deadline* const next = d->next_;
      if (d->tick_ <= target) {
        unlink(*d);
        d->next_ = kEnd;
        d->link_ = tail;
        *tail = d;
        tail = &d->next_;
        ++size_;
      }
      d = next;
    }
  }
  while (firing_ != kEnd) {
    Deadline& d = *firing_;
    unlink(d);
    d.owner_.on_deadline(d);
  }
}

Instant Wheel::next() const {
  if (size_ == 0) return Instant::max();
  for (size_t step = 1; step <= kSlots;) {
    const uint64_t tick = done_ + step;
    const size_t slot = tick % kSlots;
    const uint64_t word = occupied_[slot / 64] >> (slot % 64);
    if (word != 0) return start_ + kTick * int64_t(tick + uint64_t(std::countr_zero(word)));
    step += 64 - slot % 64;
  }
  return start_ + kTick * int64_t(done_ + kSlots);
}

}  // namespace mesh::event
