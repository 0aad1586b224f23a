// KeyKeeper: fetches the keys of tokens that policies name by their URLs, and keeps them
// on disk, so that discoveryd alone goes on with them after a restart.
//
// What is known and when to ask is discovery::FetchedKeys'. One thread, the loop's.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cmd/discoveryd/settings.h"
#include "discovery/fetched_keys.h"
#include "discovery/objects.h"
#include "event/loop.h"
#include "event/timer.h"
#include "fetch/fetcher.h"

namespace mesh::discoveryd {

class KeyKeeper {
 public:
  // `changed` runs when keys() is another than before, in a turn of its own. The loop and
  // the clock outlive us.
  KeyKeeper(event::Loop& loop, const Clock& clock, std::string state_file,
            std::function<void()> changed);

  // Reads the state file. One that is not whole is logged and left aside.
  void restore();
  void configure(const Jwks& settings);
  // Which keys the policies want, from now on.
  void want(const discovery::Objects& objects);

  std::shared_ptr<const discovery::KeySets> keys() const { return keys_.keys(); }
  // What cannot be fetched, a sentence each.
  std::vector<std::string> problems() const { return keys_.problems(); }

 private:
  void fetch();
  void arrived(const std::string& source, Result<std::string> body);
  void save() const;

  const Clock& clock_;
  const std::string state_file_;
  const std::function<void()> changed_;
  std::string ca_file_;
  discovery::FetchedKeys keys_;
  event::Timer timer_;
  fetch::Fetcher fetcher_;
};

}  // namespace mesh::discoveryd
