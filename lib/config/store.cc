#include "config/store.h"

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
constexpr unsigned kMode = 0640;

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

}  // namespace

Store::Store(std::string directory, size_t generations_max,
             std::function<void(std::string_view)> before)
    : directory_(std::move(directory)),
      generations_max_(std::max<size_t>(generations_max, 1)),
      before_(std::move(before)) {}

Result<void> Store::open() {
  for (const char* const sub : {"/objects", "/generations"}) {
    std::error_code error;
    std::filesystem::create_directories(directory_ + sub, error);
    if (error) return Error{Errc::System, "mkdir " + directory_ + sub + ": " + error.message()};
  }
  const std::string path = directory_ + "/history";
  auto text = file::read(path, kFileBytesMax);
  if (!text && text.error().kind == Errc::NotFound) return {};
  if (!text) return std::move(text).error();
  history_.clear();
  for (const auto line : text::split(*text, '\n')) {
    if (line.empty()) continue;
    const auto words = text::split(line, ' ');
    const auto when =
        words.size() == 2 ? text::parse_uint(words[1]) : Result<uint64_t>(Error{Errc::Invalid, ""});
    if (!when || !is_hex(words[0], 12))
      return damaged(path, "not a history: " + text::quoted(line));
    history_.push_back({std::string(words[0]), *when});
  }
  prune();
  return {};
}

Result<void> Store::write(const std::string& path, std::string_view bytes) {
  if (before_) before_(path);
  return file::write(path, bytes, kMode);
}

Result<std::vector<std::pair<std::string, std::string>>> Store::manifest(
    const std::string& generation) const {
  const std::string path = directory_ + "/generations/" + generation;
  MESH_TRY(const std::string text, file::read(path, kFileBytesMax));
  std::vector<std::pair<std::string, std::string>> lines;
  for (const auto line : text::split(text, '\n')) {
    if (line.empty()) continue;
    const size_t blank = line.find(' ');
    if (blank == std::string_view::npos || !is_hex(line.substr(blank + 1), 64))
      return damaged(path, "not a generation: " + text::quoted(line));
    lines.emplace_back(line.substr(0, blank), line.substr(blank + 1));
  }
  return lines;
}

Result<ObjectSet> Store::load() const {
  if (history_.empty()) return ObjectSet();
  return load(history_.back().generation);
}

Result<ObjectSet> Store::load(const std::string& generation) const {
  MESH_TRY(const auto lines, manifest(generation));
  ObjectSet set;
  for (const auto& [name, sha] : lines) {
    const std::string path = directory_ + "/objects/" + sha;
    MESH_TRY(const std::string bytes, file::read(path, kFileBytesMax));
    v1::Object object;
    if (text::to_hex(identity::sha256(bytes)) != sha || !object.ParseFromString(bytes) ||
        to_string(name_of(object)) != name)
      return damaged(path, "damaged: the bytes are not those of " + name);
    set.put(std::move(object));
  }
  if (set.generation() != generation)
    return damaged(directory_ + "/generations/" + generation, "damaged: another digest");
  return set;
}

Result<void> Store::commit(const ObjectSet& set, WallTime now) {
  const std::string generation = set.generation();
  std::string manifest;
  for (const auto& [name, object] : set.objects()) {
    const std::string bytes = canonical_bytes(*object);
    const std::string sha = text::to_hex(identity::sha256(bytes));
    const std::string path = directory_ + "/objects/" + sha;
    manifest += to_string(name) + " " + sha + "\n";
    std::error_code ignored;
    // Renamed into place when it was complete: what is there is whole.
    if (std::filesystem::exists(path, ignored)) continue;
    MESH_TRY_VOID(write(path, bytes));
  }
  MESH_TRY_VOID(write(directory_ + "/generations/" + generation, manifest));

  std::vector<Record> history = history_;
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch());
  if (history.empty() || history.back().generation != generation)
    history.push_back({generation, uint64_t(ms.count())});
  if (history.size() > generations_max_)
    history.erase(history.begin(), history.end() - ptrdiff_t(generations_max_));
  std::string lines;
  for (const Record& record : history)
    lines += record.generation + " " + std::to_string(record.accepted_unix_ms) + "\n";
  MESH_TRY_VOID(write(directory_ + "/history", lines));
  history_ = std::move(history);
  prune();
  return {};
}

void Store::prune() {
  std::set<std::string> generations;
  std::set<std::string> objects;
  for (const Record& record : history_) {
    if (!generations.insert(record.generation).second) continue;
    const auto lines = manifest(record.generation);
    if (!lines) {
      // Rather keep too much than lose what a damaged manifest named.
      log::warning("history is damaged", {{"why", lines.error().text}});
      return;
    }
    for (const auto& [name, sha] : *lines) objects.insert(sha);
  }
  const auto sweep = [&](const std::string& sub, const std::set<std::string>& keep) {
    for (const std::string& name : names_in(directory_ + sub)) {
      if (keep.contains(name)) continue;
      if (before_) before_("remove " + name);
      std::error_code ignored;
      std::filesystem::remove(directory_ + sub + "/" + name, ignored);
    }
  };
  sweep("/generations", generations);
  sweep("/objects", objects);
}

}  // namespace mesh::config
