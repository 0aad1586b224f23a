// HeldVersions: what one watcher holds, a name and a version each, in sixteen bytes.
//
// A version is kept as 64 bits of it: it is only ever compared with another one of the same
// resource. For the files of lib/bus. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bus/name_table.h"

namespace mesh::bus {

class HeldVersions {
 public:
  // An empty text, and no other, is kAbsent: told that there is no such resource.
  using Version = uint64_t;
  static constexpr Version kAbsent = 0;
  static Version version_of(std::string_view text);

  // `names` outlives us.
  explicit HeldVersions(NameTable& names) : names_(names) {}
  ~HeldVersions();
  HeldVersions(const HeldVersions&) = delete;
  HeldVersions& operator=(const HeldVersions&) = delete;

  size_t size() const { return entries_.size(); }
  // Nothing: it is not held.
  std::optional<Version> find(std::string_view name) const;
  // Several at once, each name once: in place of what is held of theirs, and confirmed or
  // not. Costs what is held where one of them is new.
  using Fresh = std::vector<std::pair<std::string_view, Version>>;
  void put(const Fresh& fresh, bool confirmed = true);
  using Names = std::vector<std::string_view>;
  void erase(const Names& names);
  template <class Unwanted>
  void erase_if(Unwanted unwanted);

  void confirm(std::string_view name);
  // The names of all that is not, in order; all is from now on.
  std::vector<std::string> take_unconfirmed();

 private:
  struct Entry {
    NameTable::Id name;
    bool confirmed;
    Version version;
  };
  using Entries = std::vector<Entry>;
  Entries::iterator at(std::string_view name);
  void forget(const Entry& entry);

  NameTable& names_;
  Entries entries_;  // by the number of the name
  size_t unconfirmed_ = 0;
};

template <class Unwanted>
void HeldVersions::erase_if(Unwanted unwanted) {
  std::erase_if(entries_, [&](const Entry& entry) {
    if (!unwanted(names_.name(entry.name))) return false;
    forget(entry);
    return true;
  });
}

}  // namespace mesh::bus
