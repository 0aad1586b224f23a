// Store: what all forwarders have counted. The core of statsd.
//
// A forwarder is known by its name and user id; its totals are those of its
// present life plus those of the lives before, so that sums never go back when
// one restarts, is silent, or is forgotten. Reports of another process are
// input: bounded in forwarders and in label sets; past a bound labels are given
// up, counts are not. Pure; one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "telemetry/registry.h"

namespace mesh::statsd::v1 {
class State;
}

namespace mesh::stats {

struct Report {
  std::string name;  // "reviews@host"
  uint32_t uid = 0;  // the kernel's word
  uint64_t boot_id = 0;
  uint64_t seq = 0;
  telemetry::Snapshot totals;
};

// Who reported, for a list.
struct Forwarder {
  std::string name;
  uint32_t uid = 0;
  uint64_t boot_id = 0;
  uint64_t seq = 0;
  uint64_t boots = 0;
  WallTime last_report{};
};

class Store {
 public:
  struct Limits {
    size_t forwarders_max = 1024;
    size_t series_max = 20'000;  // label sets over all forwarders
    // Silent for longer, a forwarder gives its place to a new one; its counts
    // stay in the sums, nameless.
    Duration forget_after = std::chrono::hours(1);
  };

  explicit Store(Limits limits) : limits_(limits) {}
  void set_limits(Limits limits) { limits_ = limits; }
  const Limits& limits() const { return limits_; }

  // False where the report is of the past: a life that another followed, or a
  // seq not above the last. Errc::Invalid: no usable name, boot id or seq.
  // Errc::TooBig: one forwarder too many, and none has been silent for long.
  Result<bool> take(Report report, WallTime now);

  // Over all forwarders, known and gone. Gauges of the known ones only.
  telemetry::Snapshot sum() const;

  // Calls `each` with every known forwarder and its own totals.
  template <class Each>
  void for_each(Each each) const {
    for (const auto& [key, known] : known_) {
      telemetry::Snapshot totals = known.before;
      add(totals, known.current);
      each(known.forwarder, totals);
    }
  }
  size_t size() const { return known_.size(); }
  // Lives begun since the start: when it changes, what was counted before is
  // nowhere but here.
  uint64_t lives() const { return lives_; }
  size_t series() const { return admitted_.size(); }
  // Series of reports that gave up their labels.
  uint64_t series_overflow() const { return overflow_; }

  // The state file's message, and back. Errc::Invalid where it is none: then
  // the store is as it was. Call restore() on an empty store.
  void save(statsd::v1::State& out) const;
  Result<void> restore(const statsd::v1::State& state);

  // Adds `more` to `into`, label set by label set.
  static void add(telemetry::Snapshot& into, const telemetry::Snapshot& more);

 private:
  using Key = std::pair<std::string, uint32_t>;
  struct Known {
    Forwarder forwarder;
    telemetry::Snapshot current;         // of boot_id
    telemetry::Snapshot before;          // of its earlier lives
    std::deque<uint64_t> earlier_boots;  // the latest of them
  };
  bool make_room(WallTime now);
  void admit(telemetry::Snapshot& totals);
  telemetry::Labels admitted(const telemetry::Labels& labels);

  Limits limits_;
  std::map<Key, Known> known_;
  telemetry::Snapshot gone_;
  // Lives whose counts are in gone_: what they say later would count twice.
  std::deque<uint64_t> gone_boots_;
  std::set<telemetry::Labels> admitted_;
  std::set<telemetry::NumberKey> admitted_numbers_;
  uint64_t overflow_ = 0;
  uint64_t lives_ = 0;
};

}  // namespace mesh::stats
