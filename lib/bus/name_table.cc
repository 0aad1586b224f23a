#include "bus/name_table.h"

namespace mesh::bus {

NameTable::Id NameTable::take(std::string_view name) {
  if (const auto found = ids_.find(name); found != ids_.end()) {
    ++entries_[found->second].users;
    return found->second;
  }
  if (free_.empty()) {
    free_.push_back(Id(entries_.size()));
    entries_.push_back({});
  }
  const Id id = free_.back();
  free_.pop_back();
  const auto added = ids_.emplace(name, id).first;
  entries_[id] = {&added->first, 1};
  return id;
}

void NameTable::release(Id id) {
  Entry& entry = entries_[id];
  if (--entry.users > 0) return;
  ids_.erase(ids_.find(*entry.name));
  entry.name = nullptr;
  free_.push_back(id);
}

std::optional<NameTable::Id> NameTable::find(std::string_view name) const {
  const auto found = ids_.find(name);
  return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace mesh::bus
