#include "config/store.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "identity/digest.h"

namespace mesh::config {
namespace {

constexpr size_t kFileBytesMax = 64U << 20;
constexpr size_t kPartBytesMax = 1U << 30;
constexpr unsigned kMode = 0640;
constexpr size_t kDigits = 12;  // of a generation
constexpr size_t kShaDigits = 64;

Error damaged(const std::string& path, std::string_view what) {
  return Error{Errc::Invalid, path + ": " + std::string(what)};
}

bool is_hex(std::string_view s, size_t length) {
  return s.size() == length && s.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// The names in a directory; empty where it cannot be read.
std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error))
    names.push_back(it->path().filename().string());
  return names;
}

bool holds(const std::string& path, const std::string& bytes) {
  const auto text = file::read(path, kPartBytesMax);
  return text && *text == bytes;
}

std::string to_line(const Store::Record& record) {
  return record.generation + " " + std::to_string(record.accepted_unix_ms) + " " +
         std::to_string(record.number) + " " + record.origin.how + " " +
         (record.origin.uid ? std::to_string(*record.origin.uid) : "-") + "\n";
}

// Of an older line only the first two words are there.
Result<Store::Record> parse_record(std::string_view line, uint64_t number_before) {
  const auto words = text::split(line, ' ');
  const Error wrong{Errc::Invalid, "not a history: " + text::quoted(line)};
  if ((words.size() != 2 && words.size() != 5) || !is_hex(words[0], kDigits)) return wrong;
  Store::Record record;
  record.generation = words[0];
  MESH_TRY(record.accepted_unix_ms, text::parse_uint(words[1]));
  record.number = number_before + 1;
  if (words.size() == 2) return record;
  MESH_TRY(record.number, text::parse_uint(words[2]));
  if (record.number <= number_before || words[3].empty()) return wrong;
  record.origin.how = words[3];
  if (words[4] == "-") return record;
  MESH_TRY(const uint64_t uid, text::parse_uint(words[4], UINT32_MAX));
  record.origin.uid = uint32_t(uid);
  return record;
}

}  // namespace

Store::Store(std::string directory, size_t generations_max,
             std::function<void(std::string_view)> before)
    : directory_(std::move(directory)),
      generations_max_(std::max<size_t>(generations_max, 1)),
      before_(std::move(before)) {}

Result<void> Store::open() {
  for (const char* const sub : {"/parts", "/generations"}) {
    std::error_code error;
    std::filesystem::create_directories(directory_ + sub, error);
    if (error) return Error{Errc::System, "mkdir " + directory_ + sub + ": " + error.message()};
  }
  history_.clear();
  MESH_TRY_VOID(read_history());
  if (history_.empty()) rebuild_history();
  if (damage_.empty()) prune();
  return {};
}

Result<void> Store::read_history() {
  const std::string path = directory_ + "/history";
  auto text = file::read(path, kFileBytesMax);
  if (!text && text.error().kind == Errc::NotFound) return {};
  if (!text) return std::move(text).error();
  size_t bad = 0;
  for (const auto line : text::split(*text, '\n')) {
    if (line.empty()) continue;
    if (auto record = parse_record(line, history_.empty() ? 0 : history_.back().number))
      history_.push_back(*std::move(record));
    else
      ++bad;
  }
  if (bad == 0) return {};
  damaged_too(path + ": " + std::to_string(bad) + " lines were damaged and are left out");
  std::error_code ignored;
  std::filesystem::copy_file(path, path + ".damaged",
                             std::filesystem::copy_options::overwrite_existing, ignored);
  return {};
}

// By the times of their files, the newest last: a lost history is no reason to
// take what is there for a first start.
void Store::rebuild_history() {
  std::vector<std::pair<uint64_t, std::string>> found;
  for (const std::string& name : names_in(directory_ + "/generations")) {
    struct stat st {};
    if (!is_hex(name, kDigits) || stat((directory_ + "/generations/" + name).c_str(), &st) != 0)
      continue;
    found.emplace_back(uint64_t(st.st_mtim.tv_sec) * 1000 + uint64_t(st.st_mtim.tv_nsec) / 1000000,
                       name);
  }
  if (found.empty()) return;
  std::sort(found.begin(), found.end());
  for (auto& [ms, generation] : found)
    history_.push_back({std::move(generation), ms, history_.size() + 1, {}});
  damaged_too(directory_ + "/history is gone; it was made anew from " +
              std::to_string(found.size()) + " generations");
}

void Store::damaged_too(const std::string& what) {
  log::error("state is damaged", {{"what", what}});
  damage_ += (damage_.empty() ? "" : "; ") + what;
}

Result<void> Store::write(const std::string& path, std::string_view bytes) {
  if (before_) before_(path);
  return file::write(path, bytes, kMode);
}

Result<void> Store::add(file::Batch& batch, const std::string& path, std::string_view bytes) {
  if (before_) before_(path);
  return batch.add(path, bytes);
}

Result<std::vector<std::string>> Store::parts_of(const std::string& generation) const {
  const std::string path = directory_ + "/generations/" + generation;
  MESH_TRY(const std::string text, file::read(path, kFileBytesMax));
  std::vector<std::string> parts;
  for (const auto line : text::split(text, '\n')) {
    if (line.empty()) continue;
    if (!is_hex(line, kShaDigits)) return damaged(path, "not a generation: " + text::quoted(line));
    parts.emplace_back(line);
  }
  return parts;
}

Result<std::vector<Store::Item>> Store::part(const std::string& sha) const {
  const std::string path = directory_ + "/parts/" + sha;
  MESH_TRY(const std::string text, file::read(path, kPartBytesMax));
  const Error wrong = damaged(path, "damaged: not a part of a generation");
  const size_t end = text.find("\n\n");
  if (text::to_hex(identity::sha256(text)) != sha || end == std::string::npos) return wrong;
  std::vector<Item> items;
  std::string_view bytes = std::string_view(text).substr(end + 2);
  for (const auto line : text::split(std::string_view(text).substr(0, end), '\n')) {
    const auto words = text::split(line, ' ');
    if (words.size() != 3) return wrong;
    MESH_TRY(const uint64_t length, text::parse_uint(words[2], kPartBytesMax));
    if (length > bytes.size()) return wrong;
    items.push_back({.name = std::string(words[0]),
                     .sha = std::string(words[1]),
                     .bytes = std::string(bytes.substr(0, length))});
    bytes.remove_prefix(length);
  }
  return items;
}

Result<std::map<std::string, Store::Item>> Store::items(
    const std::vector<std::string>& parts) const {
  std::map<std::string, Item> items;
  for (const std::string& sha : parts) {
    MESH_TRY(std::vector<Item> more, part(sha));
    for (Item& item : more) {
      std::string name = item.name;
      items.insert_or_assign(std::move(name), std::move(item));
    }
  }
  return items;
}

Result<v1::Object> Store::object(const Item& item) {
  v1::Object object;
  if (!object.ParseFromString(item.bytes) || to_string(name_of(object)) != item.name)
    return Error{Errc::Invalid, "damaged: the bytes are not those of " + item.name};
  return object;
}

Result<ObjectSet> Store::recover() {
  if (history_.empty()) return ObjectSet();
  std::vector<Record> kept = history_;
  while (!kept.empty()) {
    auto set = load(kept.back().generation);
    if (set) {
      if (kept.size() < history_.size())
        damaged_too("generation " + kept.back().generation +
                    ", the newest that is whole, is served");
      history_ = std::move(kept);
      return set;
    }
    damaged_too(set.error().text);
    kept.pop_back();
  }
  return Error{Errc::Invalid, "no generation is whole: " + damage_};
}

Result<ObjectSet> Store::load() const {
  if (history_.empty()) return ObjectSet();
  return load(history_.back().generation);
}

Result<ObjectSet> Store::load(const std::string& generation) const {
  MESH_TRY(const auto parts, parts_of(generation));
  ObjectSet set;
  for (const std::string& sha : parts) {
    MESH_TRY(const auto items, part(sha));
    for (const Item& item : items) {
      auto one = object(item);
      if (!one) return damaged(directory_ + "/parts/" + sha, one.error().text);
      set.put(*std::move(one));
    }
  }
  if (set.generation() != generation)
    return damaged(directory_ + "/generations/" + generation, "damaged: another digest");
  return set;
}

Result<void> check_digits(std::string_view name) {
  constexpr size_t kShortest = 4;
  if (name.size() >= kShortest && name.size() <= kDigits && is_hex(name, name.size())) return {};
  return Error{
      Errc::Invalid,
      "expected a generation (4 to 12 hexadecimal digits, @N or @-1), got " + text::quoted(name)};
}

Result<Store::Record> Store::resolve(std::string_view name) const {
  const auto missing = [&] {
    return Error{Errc::NotFound, "no generation " + text::quoted(name) +
                                     " is kept (mesh history lists those that are)"};
  };
  if (name.starts_with("@-")) {
    MESH_TRY(const uint64_t back, text::parse_uint(name.substr(2)));
    if (back >= history_.size()) return missing();
    return history_[history_.size() - 1 - back];
  }
  if (name.starts_with('@')) {
    MESH_TRY(const uint64_t number, text::parse_uint(name.substr(1)));
    for (const Record& record : history_)
      if (record.number == number) return record;
    return missing();
  }
  MESH_TRY_VOID(check_digits(name));
  const Record* found = nullptr;
  for (const Record& record : history_) {
    if (!record.generation.starts_with(name)) continue;
    if (found != nullptr && found->generation != record.generation)
      return Error{Errc::Invalid, "both " + found->generation + " and " + record.generation +
                                      " begin with " + text::quoted(name)};
    found = &record;
  }
  if (found == nullptr) return missing();
  return *found;
}

Result<std::optional<Diff>> Store::changes(size_t index) const {
  if (index == 0 || index >= history_.size()) return std::optional<Diff>();
  MESH_TRY(auto parts_before, parts_of(history_[index - 1].generation));
  MESH_TRY(auto parts_after, parts_of(history_[index].generation));
  const std::set<std::string> had(parts_before.begin(), parts_before.end());
  const std::set<std::string> has(parts_after.begin(), parts_after.end());
  std::erase_if(parts_before, [&](const std::string& sha) { return has.contains(sha); });
  std::erase_if(parts_after, [&](const std::string& sha) { return had.contains(sha); });
  MESH_TRY(const auto before, items(parts_before));
  MESH_TRY(const auto after, items(parts_after));
  Diff diff;
  for (const auto& [name, item] : after) {
    const auto found = before.find(name);
    if (found != before.end() && found->second.sha == item.sha) continue;
    MESH_TRY(const v1::Object now, object(item));
    if (found == before.end()) {
      diff.created.push_back(name_of(now));
      continue;
    }
    // Another file or line is no change.
    MESH_TRY(const v1::Object then, object(found->second));
    if (digest(now) != digest(then)) diff.configured.push_back(name_of(now));
  }
  for (const auto& [name, item] : before) {
    if (after.contains(name)) continue;
    MESH_TRY(const v1::Object then, object(item));
    diff.deleted.push_back(name_of(then));
  }
  return std::optional<Diff>(std::move(diff));
}

namespace {

std::string text_of(const ObjectSet::Part& part) {
  std::string text;
  for (const auto& [name, object] : part.entries)
    text.append(to_string(name))
        .append(" ")
        .append(object.bytes_digest())
        .append(" ")
        .append(std::to_string(object.bytes()->size()) + "\n");
  text += '\n';
  for (const auto& [name, object] : part.entries) text += *object.bytes();
  return text;
}

}  // namespace

// Writes what is not on disk of the generation. Files are renamed into place when they are
// complete: what is there is whole, on a disk that has damaged nothing.
Result<Store::Written> Store::write_new(const ObjectSet& set, const std::string& generation) {
  const bool trusted = counted_ && damage_.empty();
  file::Batch batch(kMode);
  Written written;
  std::string lines_of_parts;
  for (const auto& part : set.parts()) {
    const auto known = last_digests_.find(part.get());
    std::string sha;
    if (trusted && known != last_digests_.end()) {
      sha = known->second;
    } else {
      const std::string text = text_of(*part);
      sha = text::to_hex(identity::sha256(text));
      const std::string path = directory_ + "/parts/" + sha;
      if (trusted ? !part_users_.contains(sha) : !holds(path, text))
        MESH_TRY_VOID(add(batch, path, text));
    }
    lines_of_parts += sha + "\n";
    written.parts.push_back(sha);
    written.digests.emplace(part.get(), std::move(sha));
  }
  // One that is in force may not name, for a moment, what is not there yet; a new one may.
  const std::string path = directory_ + "/generations/" + generation;
  const bool fresh = trusted && !kept_.contains(generation);
  if (fresh) MESH_TRY_VOID(add(batch, path, lines_of_parts));
  if (before_) before_("sync");
  MESH_TRY_VOID(batch.finish());
  if (!fresh) MESH_TRY_VOID(write(path, lines_of_parts));
  return written;
}

Result<void> Store::commit(const ObjectSet& set, WallTime now, Origin origin) {
  const std::string& generation = set.generation();
  MESH_TRY(Written written, write_new(set, generation));
  std::vector<Record> history = history_;
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch());
  if (history.empty() || history.back().generation != generation)
    history.push_back({generation, uint64_t(ms.count()),
                       history.empty() ? 1 : history.back().number + 1, std::move(origin)});
  if (history.size() > generations_max_)
    history.erase(history.begin(), history.end() - ptrdiff_t(generations_max_));
  std::string lines;
  for (const Record& record : history) lines += to_line(record);
  MESH_TRY_VOID(write(directory_ + "/history", lines));
  history_ = std::move(history);
  last_digests_ = written.digests;
  last_ = set;
  if (counted_ && damage_.empty()) {
    keep(generation, std::move(written));
    drop_unwanted();
  } else {
    prune();
  }
  return {};
}

// Counts who uses what. Of a generation that was kept already there may be other parts now:
// a line that moved is no other generation.
void Store::keep(const std::string& generation, Written written) {
  for (const std::string& sha : written.parts) ++part_users_[sha];
  std::swap(kept_[generation], written.parts);
  release(written.parts);
}

void Store::drop(const std::string& sub, const std::string& name) {
  if (before_) before_("remove " + name);
  std::error_code ignored;
  std::filesystem::remove(directory_ + sub + "/" + name, ignored);
}

void Store::release(const std::vector<std::string>& parts) {
  for (const std::string& sha : parts) {
    const auto users = part_users_.find(sha);
    if (users == part_users_.end() || --users->second > 0) continue;
    part_users_.erase(users);
    drop("/parts", sha);
  }
}

std::vector<std::string> Store::wanted() const {
  std::vector<std::string> wanted;
  for (const Record& record : history_) wanted.push_back(record.generation);
  if (!pinned_.empty()) wanted.push_back(pinned_);
  std::sort(wanted.begin(), wanted.end());
  return wanted;
}

void Store::drop_unwanted() {
  const auto still = wanted();
  for (auto kept = kept_.begin(); kept != kept_.end();) {
    if (std::binary_search(still.begin(), still.end(), kept->first)) {
      ++kept;
      continue;
    }
    drop("/generations", kept->first);
    release(kept->second);
    kept = kept_.erase(kept);
  }
}

// From the files. False where one is damaged.
bool Store::count() {
  kept_.clear();
  part_users_.clear();
  for (const std::string& generation : wanted()) {
    if (kept_.contains(generation)) continue;
    auto parts = parts_of(generation);
    if (!parts) {
      log::warning("history is damaged", {{"why", parts.error().text}});
      return false;
    }
    for (const std::string& sha : *parts) ++part_users_[sha];
    kept_.emplace(generation, *std::move(parts));
  }
  return true;
}

// Removes all that no generation names; where one is damaged, rather nothing.
void Store::prune() {
  counted_ = count();
  if (!counted_) return;
  const auto sweep = [&](const std::string& sub, const auto& keep) {
    for (const std::string& name : names_in(directory_ + sub))
      if (!keep.contains(name)) drop(sub, name);
  };
  sweep("/generations", kept_);
  sweep("/parts", part_users_);
}

}  // namespace mesh::config
