#include "config/directory.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/text.h"
#include "config/yaml.h"

namespace mesh::config {
namespace {

namespace fs = std::filesystem;

// Clocks of file systems are coarse, and some count in seconds.
constexpr time_t kSettledSeconds = 3;

bool is_ours(const std::string& name) {
  if (name.starts_with('.')) return false;
  return name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json");
}

Result<std::vector<std::string>> list(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator it(path, error);
  for (const fs::directory_iterator end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::error_code ignored;
    if (!is_ours(name) || it->is_directory(ignored)) continue;
    if (names.size() == kDirectoryFilesMax)
      return Error{Errc::TooBig,
                   path + ": more than " + std::to_string(kDirectoryFilesMax) + " files"};
    names.push_back(name);
  }
  if (error) {
    const bool missing = error == std::errc::no_such_file_or_directory;
    return Error{missing ? Errc::NotFound : Errc::System, path + ": " + error.message()};
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

bool DirectoryReader::Stamp::operator==(const Stamp& other) const {
  const auto same = [](const timespec& a, const timespec& b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
  };
  return device == other.device && inode == other.inode && size == other.size && size >= 0 &&
         same(modified, other.modified) && same(changed, other.changed);
}

// Null where the file went away.
Result<Text> DirectoryReader::text_of(const std::string& name) {
  const std::string file = path_ + "/" + name;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  struct stat status {};
  Stamp stamp;
  if (::stat(file.c_str(), &status) == 0) {
    stamp = {.device = status.st_dev,
             .inode = status.st_ino,
             .size = status.st_size,
             .modified = status.st_mtim,
             .changed = status.st_ctim};
    if (now.tv_sec - status.st_ctim.tv_sec < kSettledSeconds) stamp.size = -1;
  }
  Seen& seen = seen_[name];
  if (seen.text != nullptr && seen.stamp == stamp) return seen.text;
  auto text = file::read(file, Limits{}.bytes_max);
  if (!text) {
    seen_.erase(name);
    if (text.error().kind == Errc::NotFound) return Text();
    return std::move(text).error();
  }
  seen.stamp = stamp;
  if (seen.text == nullptr || *seen.text != *text)
    seen.text = std::make_shared<const std::string>(*std::move(text));
  return seen.text;
}

Result<Reading> DirectoryReader::read() {
  MESH_TRY(const auto names, list(path_));
  std::map<std::string, Text> texts;
  size_t bytes = 0;
  for (const std::string& name : names) {
    MESH_TRY(Text text, text_of(name));
    // A file that went away meanwhile is a file that is not there.
    if (text == nullptr) continue;
    bytes += text->size();
    if (bytes > kDirectoryBytesMax)
      return Error{Errc::TooBig, path_ + ": over " + std::to_string(kDirectoryBytesMax) + " bytes"};
    texts.emplace_hint(texts.end(), name, std::move(text));
  }
  std::erase_if(seen_, [&](const auto& entry) { return !texts.contains(entry.first); });
  return files_.read(texts);
}

Result<Reading> read_directory(const std::string& path, bool together) {
  MESH_TRY(Reading reading, DirectoryReader(path).read());
  if (!reading.errors.empty() || !together) return reading;
  SetProblems problems = check_set(reading.set);
  reading.errors = std::move(problems.errors);
  for (std::string& warning : problems.warnings) reading.warnings.push_back(std::move(warning));
  return reading;
}

}  // namespace mesh::config
