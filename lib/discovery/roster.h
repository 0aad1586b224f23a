// Roster: the forwarders that discoveryd expects to watch it, across its own
// restarts and theirs.
//
// Whoever waits for a generation to be in force everywhere must not be told so
// while a forwarder that was there a moment ago is not back yet. One that went
// without a word is expected for kAwayMax; one that said that it ends is not.
// After a start of discoveryd all those of before are, for kReturnMax: a client
// of the bus comes back within its lease. Pure: time is an argument.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace mesh::discovery {

class Roster {
 public:
  static constexpr size_t kForwardersMax = 10'000;
  // The bus's lease.
  static constexpr Duration kAwayMax = std::chrono::seconds(6);
  // And the time to notice and connect again.
  static constexpr Duration kReturnMax = std::chrono::seconds(8);

  struct Forwarder {
    std::string ns;
    std::string workload;                        // empty: a client only
    bool ending = false;                         // it said that it ends
    std::optional<Instant> expected_until = {};  // nothing: it watches
  };

  // It watches; over kForwardersMax nobody new is remembered.
  void arrive(const std::string& id, Forwarder forwarder);
  // Its last watch has ended.
  void leave(const std::string& id, Instant now);
  // Forgets those who are late.
  void expire(Instant now);
  // When expire() has something to do next; nothing: not before leave().
  std::optional<Instant> next_expiry() const;

  // By id (NAME@HOST).
  const std::map<std::string, Forwarder>& forwarders() const { return forwarders_; }

  // The state as bytes, and back after a start: then all are away. Errc::Invalid
  // for bytes that save() did not make: the roster is then as it was.
  std::string save() const;
  Result<void> restore(std::string_view bytes, Instant now);
  // Changes whenever save() would: cheap to compare.
  uint64_t revision() const { return revision_; }

 private:
  std::map<std::string, Forwarder> forwarders_;
  uint64_t revision_ = 0;
};

}  // namespace mesh::discovery
