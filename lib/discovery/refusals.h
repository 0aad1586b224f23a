// Refusals: the forwarders that discoveryd turns away, for as long as they ask again.
//
// One that is refused watches nothing, so nothing else tells of it: status and waits
// name it from here. Pure: time, and which processes have ended, are arguments.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/clock.h"

namespace mesh::discovery {

class Refusals {
 public:
  // Over that the newest are not remembered.
  static constexpr size_t kMax = 100;
  static constexpr size_t kReasonBytesMax = 512;
  // Who has not asked again for so long has given up: a client of the bus does every
  // five seconds.
  static constexpr Duration kAgainMax = std::chrono::seconds(12);
  // Who is known by no process asks by xDS: an Envoy does within half a minute.
  static constexpr Duration kXdsAgainMax = std::chrono::seconds(40);

  // Who asks: the name is a claim, the rest the kernel's word.
  struct Key {
    std::string node;
    uint32_t uid = 0;
    uint32_t pid = 0;  // 0: not known
    auto operator<=>(const Key&) const = default;
  };
  struct Refusal {
    std::string ns;
    std::string workload;
    std::string client;
    std::string reason;
    Instant since{};  // refused for this reason
    Instant last{};   // asked
  };

  // It is refused, at `now`. True where that is news: the first time, or for another
  // reason than before.
  bool add(const Key& key, Refusal refusal, Instant now);
  // It is served. True where it was refused before.
  bool remove(const Key& key);
  // Forgets who has given up or ended. True where anybody was.
  bool expire(Instant now, const std::function<bool(uint32_t pid)>& ended);

  const std::map<Key, Refusal>& all() const { return refusals_; }

 private:
  std::map<Key, Refusal> refusals_;
};

}  // namespace mesh::discovery
