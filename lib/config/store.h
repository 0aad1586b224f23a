// Store: the accepted generations, on disk, so that no crash and no full disk
// loses one.
//
//   STATE/objects/SHA256           an object's bytes, by their digest
//   STATE/generations/GENERATION   a line an object: KIND/NAMESPACE/NAME SHA256
//   STATE/history                  a line a generation, the newest last: what is
//                                  in force
//
// Everything is written beside, synced and renamed, the history last: a
// generation is accepted when its line is there, or not at all. What is read
// back is checked against its digests. Blocking; one process at a time, which
// the daemon's lock sees to.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "config/object_set.h"

namespace mesh::config {

class Store {
 public:
  struct Record {
    std::string generation;
    uint64_t accepted_unix_ms = 0;
  };

  // `before` is told each step that will change the disk; for tests of crashes.
  explicit Store(std::string directory, size_t generations_max = 64,
                 std::function<void(std::string_view step)> before = {});

  // Makes the directories and reads the history. What a crash left half-done is
  // removed. Errc::System, or Errc::Invalid where a file is not what we wrote.
  Result<void> open();

  // The generation in force; an empty set before the first commit. Errc::Invalid
  // names the file that is damaged.
  Result<ObjectSet> load() const;
  Result<ObjectSet> load(const std::string& generation) const;

  // Makes `set` the generation in force. On an error the one before stands.
  // Generations over the limit, and objects that none of the kept ones has, are
  // removed afterwards.
  Result<void> commit(const ObjectSet& set, WallTime now);

  // The oldest first. Empty before the first commit.
  const std::vector<Record>& history() const { return history_; }

 private:
  Result<void> write(const std::string& path, std::string_view bytes);
  Result<std::vector<std::pair<std::string, std::string>>> manifest(
      const std::string& generation) const;
  void prune();

  const std::string directory_;
  const size_t generations_max_;
  const std::function<void(std::string_view)> before_;
  std::vector<Record> history_;
};

}  // namespace mesh::config
