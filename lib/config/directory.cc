#include "config/directory.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>

#include "base/file.h"
#include "base/text.h"
#include "config/yaml.h"

namespace mesh::config {
namespace {

// Clocks of file systems are coarse, and some count in seconds.
constexpr time_t kSettledSeconds = 3;

bool is_ours(const std::string& name) {
  if (name.starts_with('.')) return false;
  return name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json");
}

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

Result<Directory> open_directory(const std::string& path) {
  Directory directory(::opendir(path.c_str()));
  if (directory != nullptr) return directory;
  const int error = errno;
  return Error{error == ENOENT ? Errc::NotFound : Errc::System,
               path + ": " + std::generic_category().message(error)};
}

// Of what may be files, in the order of their names.
Result<std::vector<std::string>> list(DIR* directory, const std::string& path) {
  std::vector<std::string> names;
  for (errno = 0; const dirent* const entry = ::readdir(directory); errno = 0) {
    std::string name = entry->d_name;
    if (entry->d_type == DT_DIR || !is_ours(name)) continue;
    if (names.size() == kDirectoryFilesMax)
      return Error{Errc::TooBig,
                   path + ": more than " + std::to_string(kDirectoryFilesMax) + " files"};
    names.push_back(std::move(name));
  }
  if (errno != 0) return errno_error("read " + path);
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

// False where there is no such file, or not any more.
Result<bool> DirectoryReader::look(int directory, const std::string& name, Seen& seen) const {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  struct stat status {};
  Stamp stamp;
  if (::fstatat(directory, name.c_str(), &status, 0) == 0) {
    if (S_ISDIR(status.st_mode)) return false;
    stamp = {.device = status.st_dev,
             .inode = status.st_ino,
             .size = status.st_size,
             .modified = status.st_mtim,
             .changed = status.st_ctim};
    if (now.tv_sec - status.st_ctim.tv_sec < kSettledSeconds) stamp.size = -1;
  }
  if (seen.text != nullptr && seen.stamp == stamp) return true;
  auto text = file::read(path_ + "/" + name, Limits{}.bytes_max);
  if (!text) {
    if (text.error().kind == Errc::NotFound) return false;
    return std::move(text).error();
  }
  seen.stamp = stamp;
  if (seen.text == nullptr || *seen.text != *text)
    seen.text = std::make_shared<const std::string>(*std::move(text));
  return true;
}

Result<Reading> DirectoryReader::read() {
  whole_ = false;
  MESH_TRY(const Directory directory, open_directory(path_));
  MESH_TRY(const auto names, list(directory.get(), path_));
  auto seen = seen_.begin();
  for (const std::string& name : names) {
    while (seen != seen_.end() && seen->first < name) seen = seen_.erase(seen);
    if (seen == seen_.end() || seen->first != name) seen = seen_.emplace_hint(seen, name, Seen{});
    auto there = look(::dirfd(directory.get()), name, seen->second);
    if (there && *there) {
      ++seen;
      continue;
    }
    seen = seen_.erase(seen);
    if (!there) return std::move(there).error();
  }
  seen_.erase(seen, seen_.end());
  whole_ = true;
  return reading();
}

Result<Reading> DirectoryReader::read_again(const std::vector<std::string>& names) {
  if (!whole_) return read();
  MESH_TRY(const Directory directory, open_directory(path_));
  for (const std::string& name : names) {
    if (!is_ours(name)) continue;
    auto there = look(::dirfd(directory.get()), name, seen_[name]);
    if (there && *there) continue;
    seen_.erase(name);
    if (there) continue;
    whole_ = false;
    return std::move(there).error();
  }
  return reading();
}

Result<Reading> DirectoryReader::reading() {
  if (seen_.size() > kDirectoryFilesMax)
    return Error{Errc::TooBig,
                 path_ + ": more than " + std::to_string(kDirectoryFilesMax) + " files"};
  std::map<std::string, Text> texts;
  size_t bytes = 0;
  for (const auto& [name, seen] : seen_) {
    bytes += seen.text->size();
    if (bytes > kDirectoryBytesMax)
      return Error{Errc::TooBig, path_ + ": over " + std::to_string(kDirectoryBytesMax) + " bytes"};
    texts.emplace_hint(texts.end(), name, seen.text);
  }
  return files_.read(std::move(texts));
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
