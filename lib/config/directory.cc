#include "config/directory.h"

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/text.h"
#include "config/yaml.h"

namespace mesh::config {
namespace {

namespace fs = std::filesystem;

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

Result<Reading> read_directory(const std::string& path, bool together) {
  MESH_TRY(const auto names, list(path));
  Reading reading;
  size_t bytes = 0;
  for (const std::string& name : names) {
    auto text = file::read(path + "/" + name, Limits{}.bytes_max);
    // A file that went away meanwhile is a file that is not there.
    if (!text && text.error().kind == Errc::NotFound) continue;
    if (!text) return std::move(text).error();
    bytes += text->size();
    if (bytes > kDirectoryBytesMax)
      return Error{Errc::TooBig, path + ": over " + std::to_string(kDirectoryBytesMax) + " bytes"};
    read_into(reading, name, *text);
    reading.texts.emplace(name, *std::move(text));
  }
  if (!reading.errors.empty() || !together) return reading;
  SetProblems problems = check_set(reading.set);
  reading.errors = std::move(problems.errors);
  for (std::string& warning : problems.warnings) reading.warnings.push_back(std::move(warning));
  return reading;
}

void read_into(Reading& reading, const std::string& file, std::string_view text) {
  Problems problems(file);
  std::vector<v1::Object> objects;
  read_objects(text, problems, objects);
  for (v1::Object& object : objects) {
    const Name name = name_of(object);
    if (const v1::Object* other = reading.set.find(name); other != nullptr) {
      problems.add(find_position(object, ""), "",
                   name.kind + " " + name.ns + "/" + name.name + ": is there twice, also in " +
                       to_string(other->file(), find_position(*other, "")));
      continue;
    }
    reading.set.put(std::move(object));
  }
  for (std::string& line : problems.lines()) reading.errors.push_back(std::move(line));
  for (const std::string& line : problems.warnings()) reading.warnings.push_back(line);
}

}  // namespace mesh::config
