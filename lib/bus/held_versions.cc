#include "bus/held_versions.h"

#include <algorithm>
#include <functional>
#include <iterator>

namespace mesh::bus {
namespace {

constexpr auto kByName = [](const auto& a, const auto& b) { return a.name < b.name; };

}  // namespace

HeldVersions::Version HeldVersions::version_of(std::string_view text) {
  if (text.empty()) return kAbsent;
  const Version hash = std::hash<std::string_view>()(text);
  return hash == kAbsent ? 1 : hash;
}

HeldVersions::~HeldVersions() {
  for (const Entry& entry : entries_) names_.release(entry.name);
}

HeldVersions::Entries::iterator HeldVersions::at(std::string_view name) {
  const auto id = names_.find(name);
  if (!id) return entries_.end();
  const auto found =
      std::lower_bound(entries_.begin(), entries_.end(), Entry{*id, true, 0}, kByName);
  return found != entries_.end() && found->name == *id ? found : entries_.end();
}

std::optional<HeldVersions::Version> HeldVersions::find(std::string_view name) const {
  const auto found = const_cast<HeldVersions*>(this)->at(name);
  return found == entries_.end() ? std::nullopt : std::optional(found->version);
}

void HeldVersions::put(const Fresh& fresh, bool confirmed) {
  Entries added;
  for (const auto& [name, version] : fresh) {
    const auto found = at(name);
    if (found == entries_.end()) {
      added.push_back({names_.take(name), confirmed, version});
      unconfirmed_ += confirmed ? 0 : 1;
      continue;
    }
    if (confirmed) confirm(name);
    found->version = version;
  }
  if (added.empty()) return;
  std::sort(added.begin(), added.end(), kByName);
  Entries all;
  all.reserve(entries_.size() + added.size());
  std::merge(entries_.begin(), entries_.end(), added.begin(), added.end(), std::back_inserter(all),
             kByName);
  entries_ = std::move(all);
}

void HeldVersions::forget(const Entry& entry) {
  unconfirmed_ -= entry.confirmed ? 0 : 1;
  names_.release(entry.name);
}

void HeldVersions::erase(const Names& names) {
  std::vector<NameTable::Id> gone;
  for (const std::string_view name : names) {
    const auto found = at(name);
    if (found != entries_.end()) gone.push_back(found->name);
  }
  if (gone.empty()) return;
  std::sort(gone.begin(), gone.end());
  std::erase_if(entries_, [&](const Entry& entry) {
    if (!std::binary_search(gone.begin(), gone.end(), entry.name)) return false;
    forget(entry);
    return true;
  });
}

void HeldVersions::confirm(std::string_view name) {
  if (unconfirmed_ == 0) return;
  const auto found = at(name);
  if (found == entries_.end() || found->confirmed) return;
  found->confirmed = true;
  --unconfirmed_;
}

std::vector<std::string> HeldVersions::take_unconfirmed() {
  std::vector<std::string> names;
  if (unconfirmed_ == 0) return names;
  for (Entry& entry : entries_) {
    if (entry.confirmed) continue;
    entry.confirmed = true;
    names.push_back(names_.name(entry.name));
  }
  unconfirmed_ = 0;
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace mesh::bus
