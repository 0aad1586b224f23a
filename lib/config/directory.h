// Directory: a folder of YAML and JSON files as one set of objects.
//
// Files that end in .yaml, .yml or .json, not hidden, not in sub-folders.
// Blocking. An error names all that is wrong in all files, not just the first.
#pragma once

#include <sys/types.h>

#include <ctime>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/files.h"

namespace mesh::config {

inline constexpr size_t kDirectoryFilesMax = 100'000;
inline constexpr size_t kDirectoryBytesMax = 64U << 20;

// Objects are said to be in "traffic.yaml", a name below `path`. An object in
// two files is an error; so is what check_set() finds, unless `together` is false.
// Errc::NotFound where there is no directory, Errc::System where it or a file
// cannot be read, Errc::TooBig over the limits.
Result<Reading> read_directory(const std::string& path, bool together = true);

// The same directory, time and again: files are read again when the kernel says that they
// were touched, and parsed again when their text is another one. One thread.
class DirectoryReader {
 public:
  explicit DirectoryReader(std::string path) : path_(std::move(path)) {}

  // As read_directory(path, false).
  Result<Reading> read();
  // The same, where of what read() gave last these files alone may be other ones.
  Result<Reading> read_again(const std::vector<std::string>& names);

 private:
  // What a file is known by. Of one that was changed just before it was read, nothing is:
  // a second change in the same tick of the clock would not be seen.
  struct Stamp {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = -1;
    timespec modified{};
    timespec changed{};
    bool operator==(const Stamp& other) const;
  };
  struct Seen {
    Stamp stamp;
    Text text;
  };
  Result<bool> look(int directory, const std::string& name, Seen& seen) const;
  Result<Reading> reading();

  const std::string path_;
  std::map<std::string, Seen> seen_;
  bool whole_ = false;  // all of the directory is in `seen_`
  Files files_;
};

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
