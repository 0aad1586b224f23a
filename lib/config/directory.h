// Directory: a folder of YAML and JSON files as one set of objects.
//
// Files that end in .yaml, .yml or .json, not hidden, not in sub-folders.
// Blocking. An error names all that is wrong in all files, not just the first.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/object_set.h"

namespace mesh::config {

inline constexpr size_t kDirectoryFilesMax = 10'000;
inline constexpr size_t kDirectoryBytesMax = 64U << 20;

struct Reading {
  ObjectSet set;
  std::map<std::string, std::string> texts;  // by file name
  std::vector<std::string> errors;           // empty: the set is whole and right
  std::vector<std::string> warnings;
};

// Objects are said to be in "traffic.yaml", a name below `path`. An object in
// two files is an error; so is what check_set() finds, unless `together` is false.
// Errc::NotFound where there is no directory, Errc::System where it or a file
// cannot be read, Errc::TooBig over the limits.
Result<Reading> read_directory(const std::string& path, bool together = true);

// Adds the objects of one text. An object that is there already is an error
// naming both places.
void read_into(Reading& reading, const std::string& file, std::string_view text);

// A change of one file: its new text, or its removal.
struct FileEdit {
  std::string file;
  std::optional<std::string> text;
};

// What it takes to make the directory say `to` instead of what was read. An
// object of its own file, and a new one, is written as KIND.NAMESPACE.NAME.yaml
// or where it stands; one among others is replaced in place, and the text
// around it stays as it is. In a List all objects of the file are written anew.
std::vector<FileEdit> plan_edits(const Reading& from, const ObjectSet& to);

}  // namespace mesh::config
