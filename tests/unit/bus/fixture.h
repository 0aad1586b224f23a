// What the bus's tests share: a socket in a directory of its own, short
// limits, a provider with a table of resources, a sink that remembers. The
// messages asked and answered are the bus's own, for want of others.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/text.h"
#include "bus/client.h"
#include "bus/server.h"
#include "mesh/bus.pb.h"
#include "support/temp_dir.h"
#include "support/wait.h"

namespace mesh::bus::test {

using support::run_until;
using namespace std::chrono_literals;

inline constexpr const char* kType = "type.googleapis.com/test.Thing";

// Leases in milliseconds, so that what must lapse does so within a test.
inline Limits short_limits() {
  Limits limits;
  limits.lease_renew = 30ms;
  limits.lease_lapse = 300ms;
  limits.lease_probe = 60ms;
  return limits;
}

struct Place {
  support::TempDir dir;
  std::string path = dir.file("bus.sock");

  Server::Options options() const {
    Server::Options options;
    options.path = path;
    options.limits = short_limits();
    return options;
  }
};

// Offers what stands in `things`, in the way daemons do.
class Table : public WatchProvider {
 public:
  std::map<std::string, std::string> things;  // name to version; the body is "NAME@VERSION"
  std::string generation = "g1";
  bool ready = true;
  Result<void> welcome;

  Result<void> on_open(Watcher&) override { return welcome; }
  void on_subscribe(Watcher& watcher, const std::vector<std::string>& names) override {
    watchers.insert(&watcher);
    for (const auto& name : names) subscribed.push_back(name);
    tell(watcher, names);
  }
  void on_unsubscribe(Watcher&, const std::vector<std::string>& names) override {
    for (const auto& name : names) unsubscribed.push_back(name);
  }
  void on_ack(Watcher&, std::string_view g) override {
    ++acks;
    if (!g.empty()) acked_generation = g;
  }
  void on_nack(Watcher&, std::string_view name, std::string_view version,
               std::string_view reason) override {
    nacks.push_back(std::string(name) + "@" + std::string(version) + ": " + std::string(reason));
  }
  void on_in_force(Watcher&, std::string_view g) override { in_force = g; }
  void on_gone(Watcher& watcher) override {
    ++gone;
    watchers.erase(&watcher);
  }

  void set(const std::string& name, const std::string& version) {
    things[name] = version;
    for (Watcher* const watcher : watchers) offer(*watcher, name);
  }
  void remove(const std::string& name) {
    things.erase(name);
    for (Watcher* const watcher : watchers) watcher->withdraw(name);
  }
  void mark(const std::string& g) {
    generation = g;
    for (Watcher* const watcher : watchers) watcher->mark(g);
  }

  std::set<Watcher*> watchers;
  std::vector<std::string> subscribed, unsubscribed, nacks;
  std::string acked_generation, in_force;
  int acks = 0;
  int gone = 0;

 private:
  void offer(Watcher& watcher, const std::string& name) {
    const auto at = things.find(name);
    if (at == things.end()) return watcher.withdraw(name);
    watcher.offer(name, at->second, std::make_shared<const std::string>(name + "@" + at->second));
  }
  void tell(Watcher& watcher, const std::vector<std::string>& names) {
    if (!ready) return;
    for (const auto& name : names) {
      if (name != kAll) {
        offer(watcher, name);
        continue;
      }
      for (const auto& [thing, version] : things) offer(watcher, thing);
    }
    watcher.mark(generation);
  }
};

// Holds what it was told, and a line for each thing told.
class Memory : public Sink {
 public:
  Result<void> on_update(const Update& update, std::vector<Rejection>& rejected) override {
    ++updates;
    if (refuse_all) return Error{Errc::Invalid, "I do not want any"};
    for (const auto& r : update.changed) {
      if (r.name == refuse_name) {
        rejected.push_back({std::string(r.name), "I do not like it"});
        continue;
      }
      things[std::string(r.name)] = r.version;
      bodies[std::string(r.name)] = r.body;
      told.push_back("+" + std::string(r.name) + "@" + std::string(r.version));
    }
    for (const auto name : update.removed) {
      things.erase(std::string(name));
      told.push_back("-" + std::string(name));
    }
    if (!update.generation.empty()) {
      generation = update.generation;
      told.push_back("=" + generation);
    }
    return {};
  }
  void on_link(bool up) override { links += up ? "u" : "d"; }
  void on_refused(const Error& error) override {
    ++refusals;
    refused = error;
  }

  std::string story() const { return text::join(told, " "); }

  std::map<std::string, std::string> things, bodies;
  std::string generation, links, refuse_name;
  std::vector<std::string> told;
  Error refused{Errc::Closed, {}};
  int updates = 0;
  int refusals = 0;
  bool refuse_all = false;
};

}  // namespace mesh::bus::test
