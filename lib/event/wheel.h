// Wheel: deadlines at O(1) to arm and to cancel.
//
// A hashed timing wheel of intrusive entries: one slot a tick, entries further
// away than one revolution stay in their slot and are passed over until their
// round comes. Deadlines fire late by up to a tick, never early. Pure: the
// Loop feeds it the time. One thread; nothing here allocates after the start.
#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.h"

namespace mesh::event {

class Wheel;

// Something that happens at an instant. Embed it in what waits; destroying it
// cancels it. Not movable: the wheel points at it.
class Deadline {
 public:
  class Owner {
   public:
    // The deadline passed. It is disarmed already and may be armed anew.
    virtual void on_deadline(Deadline& deadline) = 0;

   protected:
    ~Owner() = default;
  };

  Deadline(Wheel& wheel, Owner& owner) : wheel_(wheel), owner_(owner) {}  // both outlive us
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;
  ~Deadline() { cancel(); }

  // Fires `after` from the loop's idea of now, at most ten years; replaces an
  // earlier arming.
  void arm(Duration after);
  void cancel();
  bool armed() const { return next_ != nullptr; }
  // When it fires; meaningful while armed.
  Instant at() const;

 private:
  friend class Wheel;
  Wheel& wheel_;
  Owner& owner_;
  Deadline* next_ = nullptr;
  Deadline** link_ = nullptr;  // what points at us
  uint64_t tick_ = 0;
};

class Wheel {
 public:
  static constexpr Duration kTick = std::chrono::milliseconds(1);
  static constexpr size_t kSlots = 4096;  // one revolution: 4 s

  explicit Wheel(Instant now);
  ~Wheel();  // every Deadline must be gone or cancelled
  Wheel(const Wheel&) = delete;
  Wheel& operator=(const Wheel&) = delete;

  // The instant that arm() counts from. Set by the loop, once a turn.
  void set_now(Instant now) { now_ = now; }
  Instant now() const { return now_; }

  // Fires all deadlines up to now(), earlier ticks first. Owners may arm and cancel any deadline,
  // and destroy their own.
  void advance();

  // When advance() has to be called next at the latest; Instant::max() when
  // nothing is armed. May be early (an entry of a later round), never late.
  Instant next() const;

  size_t size() const { return size_; }

 private:
  friend class Deadline;
  void insert(Deadline& deadline);
  void unlink(Deadline& deadline);
  uint64_t tick_of(Instant at) const;

  const Instant start_;
  Instant now_;
  uint64_t done_ = 0;  // ticks up to and with this one have fired
  size_t size_ = 0;
  std::vector<Deadline*> slots_;
  std::vector<uint64_t> occupied_;  // a bit a slot
  Deadline* firing_ = nullptr;      // due entries not fired yet
};

}  // namespace mesh::event
