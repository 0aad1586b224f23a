// Trial: a generation that is taken back by itself unless it is confirmed.
//
// On disk (STATE/trial) before the generation is, so that no crash turns a trial
// into what stays. One thread, the loop's.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/clock.h"
#include "config/store.h"
#include "event/timer.h"
#include "mesh/configd.pb.h"

namespace mesh::configd {

class Trial {
 public:
  static constexpr Duration kLongest = std::chrono::hours(24 * 7);

  // `over` runs when the time is over, and again every ten seconds until end().
  Trial(event::Loop& loop, const Clock& clock, std::string path, std::function<void()> over);

  // What was on before a restart. The time that has passed meanwhile counts.
  void restore();
  // Its generation was accepted, after the one that it would go back to. Only
  // while it is on.
  bool began(const config::Store& store) const;

  // Errc::System: nothing has begun.
  Result<void> begin(const std::string& generation, const std::string& back_to, Duration length);
  // Confirmed, taken back, or not begun after all.
  Result<void> end();

  bool on() const { return state_.has_value(); }
  // Its time is over, and it could not be taken back yet.
  bool overdue() const { return overdue_; }
  // Only while it is on.
  const v1::SavedTrial& state() const { return *state_; }
  WallTime until() const;

  const std::string& error() const { return error_; }
  void set_error(std::string error) { error_ = std::move(error); }

 private:
  void arm();

  const Clock& clock_;
  const std::string path_;
  const std::function<void()> over_;
  std::optional<v1::SavedTrial> state_;
  bool overdue_ = false;
  std::string error_;
  event::Timer timer_;
};

}  // namespace mesh::configd
