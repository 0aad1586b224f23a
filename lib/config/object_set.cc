#include "config/object_set.h"

#include <algorithm>

#include "base/text.h"
#include "identity/digest.h"

namespace mesh::config {
namespace {

// One name in so many is the last of its part.
constexpr uint64_t kPartSize = 128;

// FNV-1a, mixed, as its last bytes do not reach the bits above them. It chooses where parts
// end, on this host only; so nothing depends on it.
bool ends_part(const Name& name) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const std::string* const text : {&name.kind, &name.ns, &name.name}) {
    for (const char c : *text) hash = (hash ^ uint8_t(c)) * 0x100000001b3;
    hash = (hash ^ '/') * 0x100000001b3;
  }
  hash = (hash ^ (hash >> 32)) * 0x9e3779b97f4a7c15;
  return (hash >> 32) % kPartSize == 0;
}

bool before(const ObjectSet::Entry& entry, const Name& name) { return entry.first < name; }

}  // namespace

const std::string& ObjectSet::Part::lines() const {
  if (lines_.empty())
    for (const auto& [name, object] : entries)
      lines_.append(to_string(name)).append(" ").append(object.digest()).append("\n");
  return lines_;
}

void ObjectSet::put(v1::Object object) {
  const Name name = name_of(object);
  put(name, Ref(std::move(object)));
}

// The part that has the name, or would; of a set that is not empty.
size_t ObjectSet::part_of(const Name& name) const {
  const auto found = std::lower_bound(
      parts_.begin(), parts_.end(), name,
      [](const auto& part, const Name& n) { return part->entries.back().first < n; });
  if (found != parts_.end()) return size_t(found - parts_.begin());
  return parts_.size() - 1;
}

// The part, ours alone.
ObjectSet::Part& ObjectSet::own(size_t part) {
  auto& shared = parts_[part];
  generation_.clear();
  if (shared.use_count() != 1) {
    auto mine = std::make_shared<Part>();
    mine->entries = shared->entries;
    shared = std::move(mine);
  }
  auto& mine = const_cast<Part&>(*shared);  // made here, as all parts, and no other set's
  mine.lines_.clear();
  return mine;
}

void ObjectSet::put(const Name& name, Ref object) {
  // Behind the last, where that ends its part.
  const bool fresh = parts_.empty() || (parts_.back()->entries.back().first < name &&
                                        ends_part(parts_.back()->entries.back().first));
  if (fresh) {
    auto part = std::make_shared<Part>();
    part->entries.emplace_back(name, std::move(object));
    parts_.push_back(std::move(part));
    ++size_;
    return generation_.clear();
  }
  const size_t index = part_of(name);
  auto& entries = own(index).entries;
  const auto at = std::lower_bound(entries.begin(), entries.end(), name, before);
  if (at != entries.end() && at->first == name) {
    at->second = std::move(object);
    return;
  }
  const auto added = entries.emplace(at, name, std::move(object));
  ++size_;
  if (!ends_part(name) || added + 1 == entries.end()) return;
  auto rest = std::make_shared<Part>();
  rest->entries.assign(std::make_move_iterator(added + 1), std::make_move_iterator(entries.end()));
  entries.erase(added + 1, entries.end());
  parts_.insert(parts_.begin() + ptrdiff_t(index) + 1, std::move(rest));
}

bool ObjectSet::remove(const Name& name) {
  if (!find_ref(name)) return false;
  const size_t index = part_of(name);
  auto& entries = own(index).entries;
  entries.erase(std::lower_bound(entries.begin(), entries.end(), name, before));
  --size_;
  if (ends_part(name) && index + 1 < parts_.size()) {
    const auto& next = parts_[index + 1]->entries;
    entries.insert(entries.end(), next.begin(), next.end());
    parts_.erase(parts_.begin() + ptrdiff_t(index) + 1);
  }
  if (entries.empty()) parts_.erase(parts_.begin() + ptrdiff_t(index));
  return true;
}

ObjectSet::Ref ObjectSet::find_ref(const Name& name) const {
  if (parts_.empty()) return nullptr;
  const auto& entries = parts_[part_of(name)]->entries;
  const auto at = std::lower_bound(entries.begin(), entries.end(), name, before);
  return at == entries.end() || at->first != name ? nullptr : at->second;
}

size_t ObjectSet::bytes() const {
  size_t sum = 0;
  for (const auto& [name, object] : objects()) sum += object->ByteSizeLong();
  return sum;
}

const std::string& ObjectSet::generation() const {
  if (!generation_.empty()) return generation_;
  std::string lines;
  for (const auto& part : parts_) lines += part->lines();
  return generation_ = text::to_hex(identity::sha256(lines)).substr(0, 12);
}

Diff diff(const ObjectSet& from, const ObjectSet& to) {
  Diff diff;
  ObjectSet::compare(from, to, [&](const Name& name, const ObjectRef& was, const ObjectRef& is) {
    if (!was)
      diff.created.push_back(name);
    else if (!is)
      diff.deleted.push_back(name);
    else if (!was.same_meaning(is))
      diff.configured.push_back(name);
  });
  return diff;
}

bool identical(const ObjectSet& a, const ObjectSet& b) {
  bool same = true;
  ObjectSet::compare(a, b, [&](const Name&, const ObjectRef& one, const ObjectRef& other) {
    same = same && one.same_bytes(other);
  });
  return same;
}

}  // namespace mesh::config
