// Files: named texts as one set of objects, read again at the cost of what has changed.
//
// A text that is as it was keeps its objects, the very same. One thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/object_set.h"
#include "config/problems.h"

namespace mesh::config {

using Text = std::shared_ptr<const std::string>;

// What texts say.
struct Reading {
  ObjectSet set;
  std::map<std::string, Text> texts;  // by file name
  std::vector<std::string> errors;    // empty: the set is whole and right
  std::vector<std::string> warnings;
};

class Files {
 public:
  // The objects of these texts, by file name, and all that is wrong with each; an object
  // that is in two of them is an error, and so is a name that is not UTF-8. Texts that are not
  // there any more are forgotten.
  Reading read(std::map<std::string, Text> texts);

 private:
  struct File {
    Text text;
    std::vector<ObjectRef> objects;
    Problems problems{""};
  };
  void parse(const std::string& name, File& file) const;
  bool put(const File& file);
  void put_all(std::map<std::string, Problems>& twice);

  std::map<std::string, File> files_;
  ObjectSet set_;
  bool whole_ = true;  // every object of every file is in `set_`
};

// Adds the objects of one text. An object that is there already is an error
// naming both places; a file whose name is not UTF-8 is an error and not read.
void read_into(Reading& reading, const std::string& file, std::string_view text);

}  // namespace mesh::config
