#include "resilience/breaker.h"

#include <algorithm>

namespace mesh::resilience {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr uint32_t kMillion = 1'000'000;
// What Ramping lets through from the beginning.
constexpr uint32_t kRampFloor = kMillion / 10;
constexpr uint32_t kLevelMax = 40;

constexpr unsigned kTagShift = 40;  // over a count
constexpr uint64_t kTagMask = (uint64_t(1) << (64 - kTagShift)) - 1;
constexpr uint64_t kCountMask = (uint64_t(1) << kTagShift) - 1;

int64_t to_ms(Instant now) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
}
int64_t to_ms(Duration d) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
}

// One more of part `number`, from nothing where the counter is of another.
void add(std::atomic<uint64_t>& counter, int64_t number) {
  const uint64_t tag = uint64_t(number) & kTagMask;
  uint64_t seen = counter.load(kRelaxed);
  while (seen >> kTagShift != tag)
    if (counter.compare_exchange_weak(seen, tag << kTagShift | 1, kRelaxed)) return;
  counter.fetch_add(1, kRelaxed);
}

uint64_t value(const std::atomic<uint64_t>& counter, int64_t number) {
  const uint64_t seen = counter.load(kRelaxed);
  return seen >> kTagShift == (uint64_t(number) & kTagMask) ? seen & kCountMask : 0;
}

bool reached(uint64_t part, uint64_t whole, Fraction share) {
  return share.per_million > 0 && part > 0 && part * kMillion >= whole * share.per_million;
}

// Wrong by what the policy judges.
bool went_wrong(const BreakerPolicy& policy, const Breaker::Call& call) {
  return (call.error && policy.error_share.per_million > 0) ||
         (call.timeout && policy.timeout_share.per_million > 0) ||
         (call.slow && policy.slow_share.per_million > 0);
}

constexpr uint64_t kTrialBegun = 1U << 16;
uint64_t trials_of(int64_t since) { return uint64_t(since) << 32; }
uint32_t begun(uint64_t trials) { return uint32_t(trials >> 16) & 0xffffU; }
uint32_t done(uint64_t trials) { return uint32_t(trials) & 0xffffU; }

}  // namespace

std::string_view to_string(Breaker::State state) {
  switch (state) {
    case Breaker::State::Closed: return "closed";
    case Breaker::State::Open: return "open";
    case Breaker::State::HalfOpen: return "half-open";
    case Breaker::State::Ramping: return "ramping";
  }
  return "";
}

Breaker::Word Breaker::make(State kind, uint32_t level, uint32_t era, int64_t since) {
  return Word(since) << kSinceShift | Word(era & 4095U) << kEraShift |
         Word(std::min(level, kLevelMax)) << kLevelShift | Word(kind);
}

Instant Breaker::since() const {
  return Instant(std::chrono::milliseconds(since_of(word_.load(kRelaxed))));
}

Duration Breaker::open_for(const BreakerPolicy& policy, uint32_t level) {
  Duration result = std::min(policy.open, policy.open_max);
  for (uint32_t i = 1; i < level && result < policy.open_max; ++i)
    result = std::min(policy.open_max, result * 2);
  return result;
}

Instant Breaker::open_until(const BreakerPolicy& policy) const {
  const Word word = word_.load(kRelaxed);
  return Instant(std::chrono::milliseconds(since_of(word))) + open_for(policy, level_of(word));
}

int64_t Breaker::part_ms(const BreakerPolicy& policy) {
  return std::max<int64_t>(1, to_ms(policy.window) / int64_t(kParts));
}

void Breaker::count(const BreakerPolicy& policy, const Call& call, int64_t now_ms) {
  const int64_t number = now_ms / part_ms(policy);
  auto& counts = parts_[size_t(number) % kParts].counts;
  add(counts[0], number);
  if (call.error) add(counts[1], number);
  if (call.timeout) add(counts[2], number);
  if (call.slow) add(counts[3], number);
}

// Nothing from before the present state began is looked at.
Breaker::Sums Breaker::sum(const BreakerPolicy& policy, int64_t now_ms, int64_t since_ms) const {
  const int64_t part = part_ms(policy);
  const int64_t last = now_ms / part;
  Sums sums;
  for (int64_t n = std::max(last - int64_t(kParts) + 1, since_ms / part); n <= last; ++n) {
    const auto& counts = parts_[size_t(n) % kParts].counts;
    sums.calls += value(counts[0], n);
    sums.errors += value(counts[1], n);
    sums.timeouts += value(counts[2], n);
    sums.slow += value(counts[3], n);
  }
  return sums;
}

Breaker::Sums Breaker::sums(const BreakerPolicy& policy, Instant now) const {
  return sum(policy, to_ms(now), since_of(word_.load(kRelaxed)));
}

std::optional<Breaker::Change> Breaker::change(Word& from, State to, std::string_view cause,
                                               int64_t now_ms, const BreakerPolicy& policy) {
  uint32_t level = level_of(from);
  uint32_t era = era_of(from);
  if (to == State::Open) {
    const bool at_rest = kind_of(from) == State::Closed &&
                         (from == 0 || now_ms - since_of(from) >= to_ms(policy.open_max));
    level = at_rest ? 1 : level + 1;
    ++era;
  }
  const Word next = make(to, level, era, now_ms);
  const State before = kind_of(from);
  if (!word_.compare_exchange_strong(from, next, kRelaxed)) return std::nullopt;  // another was
  from = next;
  changes_[size_t(to)].fetch_add(1, kRelaxed);
  Change result{before, to, cause, {}, {}};
  if (to == State::Open) result.open = open_for(policy, level);
  return result;
}

Breaker::Admission Breaker::refuse(std::optional<Change> change) {
  refused_.fetch_add(1, kRelaxed);
  return {false, 0, change};
}

bool Breaker::take_trial(const BreakerPolicy& policy, Word word) {
  const uint64_t mine = trials_of(since_of(word)) & ~uint64_t(0xffffffff);
  uint64_t seen = trials_.load(kRelaxed);
  for (;;) {
    if ((seen & ~uint64_t(0xffffffff)) != mine) {
      if (trials_.compare_exchange_weak(seen, mine | kTrialBegun, kRelaxed)) return true;
      continue;
    }
    if (begun(seen) >= std::clamp(policy.trial_calls, 1U, 65535U)) return false;
    if (trials_.compare_exchange_weak(seen, seen + kTrialBegun, kRelaxed)) return true;
  }
}

Breaker::Admission Breaker::begin(const BreakerPolicy& policy, Instant now, Random& random) {
  Word word = word_.load(kRelaxed);
  if (kind_of(word) == State::Closed) return {true, word, std::nullopt};
  const int64_t now_ms = to_ms(now);
  std::optional<Change> changed;
  switch (kind_of(word)) {
    case State::Closed: return {true, word, std::nullopt};
    case State::Ramping: {
      const int64_t ramp = to_ms(policy.ramp);
      const int64_t at = now_ms - since_of(word);
      if (at >= ramp) {
        changed = change(word, State::Closed, "time", now_ms, policy);
        return kind_of(word) == State::Closed ? Admission{true, word, changed} : refuse();
      }
      const auto share = uint64_t(std::max<int64_t>(kRampFloor, at * kMillion / ramp));
      return random.below(kMillion) < share ? Admission{true, word, std::nullopt} : refuse();
    }
    case State::Open:
      if (now_ms - since_of(word) < to_ms(open_for(policy, level_of(word)))) return refuse();
      changed = change(word, State::HalfOpen, "time", now_ms, policy);
      if (kind_of(word) != State::HalfOpen) return refuse();
      break;
    case State::HalfOpen:
      // Trials of which nothing was heard do not keep it from trying anew.
      if (now_ms - since_of(word) >= to_ms(open_for(policy, level_of(word)))) {
        const Word next = make(State::HalfOpen, level_of(word), era_of(word), now_ms);
        if (word_.compare_exchange_strong(word, next, kRelaxed)) word = next;
        if (kind_of(word) != State::HalfOpen) return refuse();
      }
      break;
  }
  return take_trial(policy, word) ? Admission{true, word, changed} : refuse(changed);
}

std::optional<Breaker::Change> Breaker::end_trial(const BreakerPolicy& policy, Word word,
                                                  const Call& call, int64_t now_ms) {
  if (!call.counted) {
    trials_.fetch_sub(kTrialBegun, kRelaxed);
    return std::nullopt;
  }
  if (went_wrong(policy, call)) return change(word, State::Open, "trial", now_ms, policy);
  const uint64_t now = trials_.fetch_add(1, kRelaxed) + 1;
  if (done(now) < std::clamp(policy.trial_calls, 1U, 65535U)) return std::nullopt;
  const State next = policy.ramp > Duration::zero() ? State::Ramping : State::Closed;
  return change(word, next, "trial", now_ms, policy);
}

// Looked at when a call went wrong: one that went well cannot be the cause.
std::optional<Breaker::Change> Breaker::judge(const BreakerPolicy& policy, Word word,
                                              int64_t now_ms) {
  const Sums sums = sum(policy, now_ms, since_of(word));
  if (sums.calls < std::max(1U, policy.minimum_calls)) return std::nullopt;
  std::string_view cause;
  if (reached(sums.timeouts, sums.calls, policy.timeout_share)) {
    cause = "timeouts";
  } else if (reached(sums.errors, sums.calls, policy.error_share)) {
    cause = "errors";
  } else if (reached(sums.slow, sums.calls, policy.slow_share)) {
    cause = "slow calls";
  } else {
    return std::nullopt;
  }
  auto result = change(word, State::Open, cause, now_ms, policy);
  if (result) result->sums = sums;
  return result;
}

std::optional<Breaker::Change> Breaker::end(const BreakerPolicy& policy, uint64_t token,
                                            const Call& call, Instant now) {
  const Word word = word_.load(kRelaxed);
  const int64_t now_ms = to_ms(now);
  if (kind_of(token) == State::HalfOpen) {
    if (word != token) return std::nullopt;  // of trials that are over
    return end_trial(policy, word, call, now_ms);
  }
  // What began before it opened last says nothing of how it is now.
  const bool counts = kind_of(word) == State::Closed || kind_of(word) == State::Ramping;
  if (!counts || !call.counted || era_of(word) != era_of(token)) return std::nullopt;
  count(policy, call, now_ms);
  if (!went_wrong(policy, call)) return std::nullopt;
  return judge(policy, word, now_ms);
}

}  // namespace mesh::resilience
