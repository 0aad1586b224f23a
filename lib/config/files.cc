#include "config/files.h"

#include <algorithm>

#include "base/utf8.h"

namespace mesh::config {
namespace {

// Names go where text does: into objects, messages, the history.
std::vector<v1::Object> read_file(const std::string& name, std::string_view text,
                                  Problems& problems) {
  problems = Problems(utf8::escaped(name));
  std::vector<v1::Object> objects;
  if (utf8::valid(name))
    read_objects(text, problems, objects);
  else
    problems.add({}, "", "the file's name is not UTF-8; rename it");
  return objects;
}

void add_twice(Problems& problems, const v1::Object& object, const v1::Object& other) {
  const Name name = name_of(object);
  problems.add(find_position(object, ""), "",
               name.kind + " " + name.ns + "/" + name.name + ": is there twice, also in " +
                   to_string(other.file(), find_position(other, "")));
}

void add_lines(Reading& reading, const Problems& problems) {
  for (std::string& line : problems.lines()) reading.errors.push_back(std::move(line));
  for (const std::string& line : problems.warnings()) reading.warnings.push_back(line);
}

}  // namespace

Reading Files::read(std::map<std::string, Text> texts) {
  std::vector<const File*> changed;
  auto at = files_.begin();
  const auto take_out = [this](const File& file) {
    for (const ObjectRef& object : file.objects) set_.remove(name_of(*object));
  };
  const auto drop = [&] {
    take_out(at->second);
    at = files_.erase(at);
  };
  for (const auto& [name, text] : texts) {
    while (at != files_.end() && at->first < name) drop();
    if (at == files_.end() || at->first != name) at = files_.emplace_hint(at, name, File{});
    File& file = at->second;
    ++at;
    if (file.text != nullptr && (text == file.text || *text == *file.text)) continue;
    take_out(file);
    file.text = text;
    parse(name, file);
    changed.push_back(&file);
  }
  while (at != files_.end()) drop();
  for (const File* const file : changed) whole_ = whole_ && put(*file);
  std::map<std::string, Problems> twice;
  if (!whole_) put_all(twice);

  Reading reading;
  reading.set = set_;
  reading.texts = std::move(texts);
  for (const auto& [name, file] : files_) {
    const auto more = twice.find(name);
    add_lines(reading, more == twice.end() ? file.problems : more->second);
  }
  return reading;
}

// Objects that are as they were, at the same place, stay the very same.
void Files::parse(const std::string& name, File& file) const {
  const std::vector<ObjectRef> before = std::move(file.objects);
  std::map<Name, const ObjectRef*> known;
  for (const ObjectRef& object : before) known.emplace(name_of(*object), &object);
  std::vector<v1::Object> objects = read_file(name, *file.text, file.problems);
  file.objects.clear();
  for (v1::Object& object : objects) {
    const auto found = known.find(name_of(object));
    ObjectRef fresh(std::move(object));
    const bool same = found != known.end() && found->second->same_bytes(fresh);
    file.objects.push_back(same ? *found->second : std::move(fresh));
  }
}

// False where one of the objects is there already.
bool Files::put(const File& file) {
  return std::all_of(file.objects.begin(), file.objects.end(), [&](const ObjectRef& object) {
    const Name name = name_of(*object);
    if (set_.find_ref(name)) return false;
    set_.put(name, object);
    return true;
  });
}

// All anew; of objects of one name the first is kept, and the others are problems of
// their files.
void Files::put_all(std::map<std::string, Problems>& twice) {
  set_ = {};
  for (const auto& [file_name, file] : files_)
    for (const ObjectRef& object : file.objects) {
      const Name name = name_of(*object);
      if (const ObjectRef other = set_.find_ref(name)) {
        Problems& problems = twice.emplace(file_name, file.problems).first->second;
        add_twice(problems, *object, *other);
      } else {
        set_.put(name, object);
      }
    }
  whole_ = twice.empty();
}

void read_into(Reading& reading, const std::string& file, std::string_view text) {
  Problems problems("");
  std::vector<v1::Object> objects = read_file(file, text, problems);
  for (v1::Object& object : objects) {
    const Name name = name_of(object);
    if (const v1::Object* other = reading.set.find(name); other != nullptr)
      add_twice(problems, object, *other);
    else
      reading.set.put(std::move(object));
  }
  add_lines(reading, problems);
}

}  // namespace mesh::config
