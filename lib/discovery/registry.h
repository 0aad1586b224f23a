// Registry: the instances that announce themselves, and which are there now.
//
// Two sources that configuration does not know: registrations (`mesh
// register`), with a lease or for good, and forwarders, which are present for
// as long as they watch. A forwarder that goes away takes its instance out of
// service after a grace, be it registered or configured; one that was never
// seen says nothing about its instance, so that endpoints without a forwarder
// keep working.
//
// Pure: time is an argument. What must survive a restart is save()d; instances
// that were present then stay so until the start grace is over, since their
// forwarders need a moment to come back; and while others still come back one after
// the other, since we may be what is slow.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "discovery/workload.h"

namespace mesh::discovery {

class Registry {
 public:
  using Key = std::pair<std::string, std::string>;  // namespace, name

  struct Limits {
    size_t registrations_max = 10'000;
    Duration absence_grace = std::chrono::seconds(1);
    Duration start_grace = std::chrono::seconds(30);
    Duration unconfirmed_max = std::chrono::minutes(10);
  };

  explicit Registry(Limits limits) : limits_(limits) {}
  void set_limits(Limits limits) { limits_ = limits; }

  // Adds or renews; `lease` 0 is for good. True where it changed more than the
  // lease. Errc::Invalid for what cannot be an endpoint, Errc::TooBig.
  Result<bool> add(Workload workload, Duration lease, Instant now);
  // True where it was there.
  bool remove(const Key& key);

  // A forwarder of this instance watches, says that it drains, or is gone
  // (counted: it has several watches). `self` is what it registers of itself,
  // `forwarder` which it is, where there are several: the instance drains while all
  // of them say so. True where a state changed at once.
  bool arrive(const Key& key, std::optional<Workload> self, bool draining, Instant now,
              const std::string& forwarder = {});
  bool leave(const Key& key, Instant now, const std::string& forwarder = {});
  // Its forwarder says that it ends: it is no endpoint any more, unless one that does
  // not end watches.
  void drain(const Key& key);
  // What the instance registers of itself is this now; true where that is news.
  bool set_self(const Key& key, Workload self);

  // Ends what is over at `now`; true where anything changed. A registration whose
  // lease is over becomes unconfirmed, and stays: that its source is silent says
  // nothing of the instance.
  bool expire(Instant now);
  // Unconfirmed for longer than the limit: whoever knows that others are confirmed
  // may remove() them.
  std::vector<Key> overdue(Instant now) const;
  std::vector<Key> unconfirmed() const;
  // For how long it has been unconfirmed; nothing: it is not.
  std::optional<Duration> unconfirmed(const Key& key, Instant now) const;

  // What the instance's own forwarder finds by its probe; "": it is well. An
  // unconfirmed one that is ill leaves. True where that changed anything.
  bool set_illness(const Key& key, const std::string& illness);
  std::string illness(const Key& key) const;
  const std::map<Key, std::string>& illnesses() const { return illnesses_; }
  // When expire() has something to do next; nothing: not before the next call.
  std::optional<Instant> next_expiry() const;

  // Whose workload, state or presence may be different since the last call.
  std::set<Key> take_changes() { return std::exchange(changes_, {}); }
  // A registered one with its state; null where it is not registered.
  std::optional<Workload> find(const Key& key) const;

  // All registered and self-registered instances, in order of their keys, with
  // their state.
  std::vector<Workload> workloads() const;
  // Whether an instance (a configured one, for instance) is there.
  Workload::State state(const Key& key) const;
  bool registered(const Key& key) const { return entries_.contains(key); }
  size_t registrations() const { return entries_.size(); }
  std::optional<Duration> lease_left(const Key& key, Instant now) const;

  // The state as bytes, and back after a start. Errc::Invalid for bytes that
  // save() did not make: the registry is then as it was.
  std::string save(Instant now) const;
  Result<void> restore(std::string_view bytes, Instant now);
  // Forwarders can come back from now on: the start grace begins.
  void await_return(Instant now);
  // Changes whenever save() would: cheap to compare.
  uint64_t revision() const { return revision_; }

 private:
  struct Entry {
    Workload workload;
    std::optional<Instant> until;   // of the lease
    std::optional<Instant> lapsed;  // when it ended
  };
  struct Voice {
    size_t watches = 0;
    bool draining = false;  // in the newest
  };
  struct Presence {
    std::map<std::string, Voice> forwarders;  // that watch
    bool all_drain() const;                   // of these; not asked where there are none
    bool draining = false;
    bool absent = false;
    bool returning = false;            // was there before the restart, and is not back yet
    std::optional<Instant> absent_at;  // when the grace ends, of one that is not returning
  };
  std::optional<Instant> absent_at(const Presence& presence) const {
    return presence.returning ? return_until_ : presence.absent_at;
  }
  static Result<void> check(const Workload& workload);
  Workload as_it_is(const Key& key, const Entry& entry) const;

  Limits limits_;
  std::set<Key> changes_;
  std::map<Key, Entry> entries_;
  std::map<Key, Presence> presences_;
  std::map<Key, std::string> illnesses_;
  Instant return_until_;  // of all who are returning
  Instant return_latest_;
  uint64_t revision_ = 0;
};

}  // namespace mesh::discovery
