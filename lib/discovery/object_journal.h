// ObjectJournal: the configuration that was served last, in a file that grows by what
// changes.
//
// Records, each with its length and SHA-256 before it: the first is the whole, the others
// say what became different. What a crash left half-written at the end is left out; it was
// never promised. Once the changes are more than the whole, all is read back and written
// anew: what is on disk is not in memory too. Blocking. One thread.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "mesh/discovery_state.pb.h"

namespace mesh::discovery {

class ObjectJournal {
 public:
  using Record = state::v1::Objects;
  using Map = std::map<std::string, std::string, std::less<>>;
  using Names = std::set<std::string, std::less<>>;

  explicit ObjectJournal(std::string path) : path_(std::move(path)) {}

  // What was kept last, one record. Errc::NotFound before the first time; Errc::Invalid
  // where the first record is damaged; Errc::System.
  Result<Record> load();

  // Keeps a generation, of which `changed` is different from the one that was kept last:
  // all, where there is none. `bodies` and `versions` have those of them that exist. On disk
  // when it returns; on an error what was kept stands, and the next call keeps this too.
  Result<void> save(const std::string& generation, const Map& bodies, const Map& versions,
                    const Names& changed);

 private:
  Result<void> save_all();
  Result<void> append(const std::string& record);

  const std::string path_;
  Record unsaved_;
  UniqueFd fd_;             // to append to; none: all is to be written
  size_t size_ = 0;         // of the file
  size_t size_of_all_ = 0;  // of the first record
};

}  // namespace mesh::discovery
