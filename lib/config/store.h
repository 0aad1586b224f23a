// Store: the accepted generations, on disk, so that no crash and no full disk
// loses one.
//
//   STATE/parts/SHA256             objects that follow each other in a generation; a line
//                                  each, KIND/NAMESPACE/NAME SHA256 LENGTH, an empty line,
//                                  and their bytes in that order. By the digest of all
//   STATE/generations/GENERATION   a line a part: its SHA256, in the order of the names
//   STATE/history                  a line a generation, the newest last: what is
//                                  in force. GENERATION MS NUMBER HOW UID
//
// Everything is written beside, synced and renamed, the history last: a
// generation is accepted when its line is there, or not at all. What is read
// back is checked against its digests, and what is damaged is left aside: the
// newest that is whole is in force then. Blocking; one process at a time, which
// the daemon's lock sees to.
//
// Parts are shared by all generations that have them: a commit writes what no generation
// had before it, and removes what no kept one has after it. A hundred objects are one file,
// since what a commit waits for is how many files it writes.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/file_batch.h"
#include "config/object_set.h"

namespace mesh::config {

// Whether people may name a generation so, by its digits; else Errc::Invalid in words for them.
Result<void> check_digits(std::string_view name);

class Store {
 public:
  // Why a generation came to be.
  struct Origin {
    std::string how = "-";        // a word: "apply", "rollback", a source's name
    std::optional<uint32_t> uid;  // of the peer that asked
  };
  struct Record {
    std::string generation;
    uint64_t accepted_unix_ms = 0;
    uint64_t number = 0;  // from 1, of all that this host has accepted
    Origin origin;
  };

  // `before` is told each step that will change the disk; for tests of crashes.
  explicit Store(std::string directory, size_t generations_max = 64,
                 std::function<void(std::string_view step)> before = {});

  // Makes the directories and reads the history. What a crash left half-done is
  // removed. A line that is none is left out, and the file kept as
  // history.damaged; without a history it is made of the generations that are
  // there. Errc::System.
  Result<void> open();

  // The newest generation that is whole becomes what is in force; an empty set
  // before the first commit. Errc::Invalid where there are generations and none
  // is whole.
  Result<ObjectSet> recover();
  // What open() and recover() found damaged, a sentence; empty: nothing.
  const std::string& damage() const { return damage_; }

  // The generation in force; an empty set before the first commit. Errc::Invalid
  // names the file that is damaged.
  Result<ObjectSet> load() const;
  Result<ObjectSet> load(const std::string& generation) const;

  // Makes `set` the generation in force. On an error the one before stands.
  // Generations over the limit, and parts that none of the kept ones has, are
  // removed afterwards.
  Result<void> commit(const ObjectSet& set, WallTime now, Origin origin);
  Result<void> commit(const ObjectSet& set, WallTime now) { return commit(set, now, {}); }

  // The oldest first. Empty before the first commit.
  const std::vector<Record>& history() const { return history_; }

  // The record that people name: a digest or its first characters (four at least;
  // the newest of that digest), "@N", or "@-1" for the one before what is in force.
  // Errc::NotFound, or Errc::Invalid where several begin so or it is no such name.
  Result<Record> resolve(std::string_view name) const;

  // What a record changed against the one before it, without loading what both
  // have; nothing for the oldest. Errc::Invalid for damage.
  Result<std::optional<Diff>> changes(size_t index) const;

  // Keeps this generation, whatever the limit says; empty: none.
  void pin(std::string generation) { pinned_ = std::move(generation); }

 private:
  // An object as it is kept.
  struct Item {
    std::string name;  // KIND/NAMESPACE/NAME
    std::string sha;   // of `bytes`
    std::string bytes;
  };
  // A generation's parts as they are written.
  struct Written {
    std::vector<std::string> parts;
    std::unordered_map<const ObjectSet::Part*, std::string> digests;
  };

  Result<void> write(const std::string& path, std::string_view bytes);
  Result<void> add(file::Batch& batch, const std::string& path, std::string_view bytes);
  Result<Written> write_new(const ObjectSet& set, const std::string& generation);
  Result<void> read_history();
  void rebuild_history();
  Result<std::vector<std::string>> parts_of(const std::string& generation) const;
  Result<std::vector<Item>> part(const std::string& sha) const;
  Result<std::map<std::string, Item>> items(const std::vector<std::string>& parts) const;
  static Result<v1::Object> object(const Item& item);
  void damaged_too(const std::string& what);
  void keep(const std::string& generation, Written written);
  void release(const std::vector<std::string>& parts);
  void drop(const std::string& sub, const std::string& name);
  void drop_unwanted();
  std::vector<std::string> wanted() const;
  bool count();
  void prune();

  const std::string directory_;
  const size_t generations_max_;
  const std::function<void(std::string_view)> before_;
  std::vector<Record> history_;
  std::string damage_;
  std::string pinned_;

  // What is on disk, while `counted_` and nothing was damaged.
  bool counted_ = false;
  std::unordered_map<std::string, std::vector<std::string>> kept_;  // parts, by generation
  std::unordered_map<std::string, uint32_t> part_users_;            // generations, by SHA256
  // The set that was written last, and the digests of its parts.
  ObjectSet last_;
  std::unordered_map<const ObjectSet::Part*, std::string> last_digests_;
};

}  // namespace mesh::config
