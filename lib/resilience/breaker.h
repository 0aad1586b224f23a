// Breaker: refuses the calls of an interface for a while when they go wrong,
// whichever endpoint served them.
//
//            a share passes its threshold            openDuration is over
//   Closed ------------------------------> Open ------------------------> HalfOpen
//     ^  \_____________________________    ^  ^_____ a trial goes wrong _____/  |
//     |                                \   |                                    |
//     +---------- ramp is over ------ Ramping <---- all trials went well -------+
//
// Closed counts calls in a sliding window. Open refuses all. HalfOpen lets a few
// trial calls through. Ramping lets a share through that grows to all of them,
// and opens again when a threshold is passed. Each opening soon after another
// lasts longer.
//
// One object serves all workers: one word of state and one line of counts for
// each part of the window, no lock. The policy is an argument, so that state
// survives a change of it. Any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"
#include "resilience/policy.h"

namespace mesh::resilience {

struct BreakerPolicy {
  Duration window = std::chrono::seconds(10);
  uint32_t minimum_calls = 20;  // in the window, before it is judged
  // Of the calls in the window; 0: not judged. A timeout is an error too.
  Fraction error_share{};
  Fraction timeout_share{};
  Fraction slow_share{};
  Duration slow_after{0};  // a call that takes longer is slow
  Duration open = std::chrono::seconds(5);
  // Twice as long each time that it opens before it was closed as long as this.
  Duration open_max = std::chrono::seconds(60);
  uint32_t trial_calls = 3;
  Duration ramp = std::chrono::seconds(10);  // 0: at once to all
  bool operator==(const BreakerPolicy&) const = default;
};

class Breaker {
 public:
  enum class State : uint8_t { Closed = 0, Open = 1, HalfOpen = 2, Ramping = 3 };

  // How a call went.
  struct Call {
    bool counted = true;  // false: it says nothing of the interface (the client went away)
    bool error = false;   // timeouts too
    bool timeout = false;
    bool slow = false;
  };

  // The totals of the window, as they were judged.
  struct Sums {
    uint64_t calls = 0;
    uint64_t errors = 0;
    uint64_t timeouts = 0;
    uint64_t slow = 0;
  };

  struct Change {
    State from;
    State to;
    std::string_view cause;  // "errors", "timeouts", "slow calls", "trial", "time"; static
    Sums sums;               // when a share was the cause
    Duration open{0};        // to Open: for so long
  };

  struct Admission {
    bool pass = false;
    uint64_t token = 0;  // of a call that passes: for end()
    std::optional<Change> change;
  };

  // Whether a call may pass. Each that does is followed by one end().
  Admission begin(const BreakerPolicy& policy, Instant now, Random& random);
  // What the call's outcome led to.
  std::optional<Change> end(const BreakerPolicy& policy, uint64_t token, const Call& call,
                            Instant now);

  State state() const { return kind_of(word_.load(std::memory_order_relaxed)); }
  Instant since() const;
  Sums sums(const BreakerPolicy& policy, Instant now) const;
  // When it lets the first trial through; meaningful while it is open.
  Instant open_until(const BreakerPolicy& policy) const;
  uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }
  uint64_t changes_to(State state) const {
    return changes_[size_t(state)].load(std::memory_order_relaxed);
  }

 private:
  // A word of state: when it began (ms), how often it opened in all (era), how
  // often in short order (level), and which state. One exchange changes all.
  using Word = uint64_t;
  static constexpr unsigned kLevelShift = 2, kEraShift = 8, kSinceShift = 20;
  static State kind_of(Word word) { return State(word & 3U); }
  static uint32_t level_of(Word word) { return uint32_t(word >> kLevelShift) & 63U; }
  static uint32_t era_of(Word word) { return uint32_t(word >> kEraShift) & 4095U; }
  static int64_t since_of(Word word) { return int64_t(word >> kSinceShift); }
  static Word make(State kind, uint32_t level, uint32_t era, int64_t since);

  static constexpr size_t kParts = 10;  // of the window
  // Counts of one part; each is tagged with the part's number, so that a count of
  // another round of the ring is none.
  struct alignas(64) Part {
    std::array<std::atomic<uint64_t>, 4> counts{};
  };

  static Duration open_for(const BreakerPolicy& policy, uint32_t level);
  static int64_t part_ms(const BreakerPolicy& policy);
  void count(const BreakerPolicy& policy, const Call& call, int64_t now_ms);
  Sums sum(const BreakerPolicy& policy, int64_t now_ms, int64_t since_ms) const;
  std::optional<Change> judge(const BreakerPolicy& policy, Word word, int64_t now_ms);
  std::optional<Change> change(Word& from, State to, std::string_view cause, int64_t now_ms,
                               const BreakerPolicy& policy);
  bool take_trial(const BreakerPolicy& policy, Word word);
  std::optional<Change> end_trial(const BreakerPolicy& policy, Word word, const Call& call,
                                  int64_t now_ms);
  Admission refuse(std::optional<Change> change = std::nullopt);

  alignas(64) std::atomic<Word> word_{0};
  // Trials of one HalfOpen: its beginning (32 bits), begun and done (16 each).
  std::atomic<uint64_t> trials_{0};
  alignas(64) std::atomic<uint64_t> refused_{0};
  std::array<std::atomic<uint64_t>, 4> changes_{};
  std::array<Part, kParts> parts_{};
};

std::string_view to_string(Breaker::State state);

}  // namespace mesh::resilience
