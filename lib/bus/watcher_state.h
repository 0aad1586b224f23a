// WatcherState: what one watcher holds, is being sent, and is to be sent. The
// server's half of the watch protocol, pure: requests and offers in, responses
// out. For the files of lib/bus.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bus/envelope.h"
#include "bus/held_versions.h"
#include "bus/limits.h"

namespace mesh::bus {

class WatcherState {
 public:
  // Both outlive us; `names` is shared by the watchers of a server.
  WatcherState(const Limits& limits, NameTable& names) : limits_(limits), held_(names) {}

  // What a request meant, for the provider.
  struct Nack {
    std::string name;
    std::string version;
    std::string reason;
  };
  struct Events {
    std::vector<std::string> subscribed;    // new ones only
    std::vector<std::string> unsubscribed;  // former ones only
    bool acked = false;                     // a response, without any rejection
    std::string generation;                 // the marker of what was acked
    std::vector<Nack> nacks;
    std::string in_force;
    bool closed = false;
  };

  // Errc::Invalid or Errc::TooBig end the watch. A nonce that is not the one in
  // flight is passed over.
  Result<Events> take(const wire::WatchRequest& request);

  bool wants_all() const { return all_; }
  bool wants(std::string_view name) const { return all_ || names_.contains(name); }

  // As in bus/watch.h. False: over Limits::names_a_watch_max, refuse the watcher.
  bool offer(std::string_view name, std::string_view version,
             std::shared_ptr<const std::string> body);
  void withdraw(std::string_view name);
  void mark(std::string_view generation);
  void complete();

  // The next response, of so many bytes unless one resource alone is more; nothing while
  // one is in flight or nothing is to say. It is in flight from now on.
  std::optional<wire::WatchResponse> next(size_t bytes_max);
  std::optional<wire::WatchResponse> next() { return next(limits_.response_bytes_max); }
  bool in_flight() const { return flight_.has_value(); }

  size_t pending() const { return pending_.size(); }
  bool idle() const { return pending_.empty() && !marker_ && !flight_; }

 private:
  // An empty version means "told that it does not exist".
  using Versions = std::map<std::string, std::string, std::less<>>;
  struct Pending {
    uint64_t place;  // in order_
    std::string version;
    std::shared_ptr<const std::string> body;  // null: removed
  };
  struct Flight {
    uint64_t nonce;
    Versions sent;
    std::string generation;
  };

  Result<void> check(const wire::WatchRequest& request) const;
  void acknowledge(const wire::WatchRequest& request, Events& events);
  void unsubscribe(const wire::WatchRequest& request, Events& events);
  void forget_unwanted();
  // In flight, else held.
  std::optional<HeldVersions::Version> known(std::string_view name) const;
  bool moot(const std::string& name, const Pending& pending) const;
  void enqueue(std::string_view name, std::string_view version,
               std::shared_ptr<const std::string> body);
  void dequeue(std::string_view name);

  const Limits& limits_;
  bool opened_ = false;
  bool all_ = false;
  std::set<std::string, std::less<>> names_;  // subscribed by name
  HeldVersions held_;  // acknowledged; not confirmed: held from an earlier life, not offered yet
  Versions rejected_;  // not sent again at that version
  std::map<std::string, Pending, std::less<>> pending_;
  std::map<uint64_t, std::string> order_;  // by place: first come, first sent
  uint64_t place_ = 0;
  std::optional<std::string> marker_;
  uint64_t marker_place_ = 0;
  std::optional<Flight> flight_;
  uint64_t nonce_ = 0;
};

}  // namespace mesh::bus
