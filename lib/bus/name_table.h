// NameTable: names of resources, each kept once for all who hold it.
//
// A thousand watchers that hold the same thousand resources differ in versions at most. For
// the files of lib/bus. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace mesh::bus {

class NameTable {
 public:
  using Id = uint32_t;

  // The name's number, for one user more; each take() has its release().
  Id take(std::string_view name);
  void release(Id id);
  // Nothing: nobody has the name.
  std::optional<Id> find(std::string_view name) const;
  // Of a number that somebody has.
  const std::string& name(Id id) const { return *entries_[id].name; }
  size_t size() const { return ids_.size(); }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
  };
  struct Entry {
    const std::string* name;  // of `ids_`
    size_t users;
  };

  std::unordered_map<std::string, Id, Hash, std::equal_to<>> ids_;
  std::vector<Entry> entries_;
  std::vector<Id> free_;
};

}  // namespace mesh::bus
