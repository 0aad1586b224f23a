#include "config/reader.h"

#include <memory>

#include "base/file.h"
#include "base/text.h"
#include "config/filler.h"

namespace mesh::config {
namespace {

// How many bytes at the beginning of `text` name the field `written` by its declared
// names: "max_age: ..." or "max_age.x" that of "max_age" and of "maxAge". 0: none do.
size_t length_of_name(std::string_view text, std::string_view written) {
  size_t length = 0;
  bool key = false;  // of a map: it is what it is
  for (const char c : written) {
    const std::string_view rest = text.substr(length);
    if (rest.starts_with(c))
      length += 1;
    else if (!key && c >= 'A' && c <= 'Z' && rest.size() > 1 && rest[0] == '_' &&
             rest[1] == text::lower(c))
      length += 2;
    else
      return 0;
    key = key || c == '"';
  }
  const std::string_view rest = text.substr(length);
  return rest.starts_with(": ") || rest.starts_with('.') || rest.starts_with('[') ? length : 0;
}

}  // namespace

void fill(const Node& node, Position at, std::string path, google::protobuf::Message& out,
          Problems& problems, Places* places) {
  Filler(std::move(path), problems, places, Filler::Names::Json).message(node, at, out);
}

Result<void> read_text(std::string_view text, const std::string& file,
                       google::protobuf::Message& out, Places* places) {
  Problems problems(file);
  const std::vector<Node> documents = parse_yaml(text, problems);
  if (documents.size() > 1) problems.add(documents[1].at, "", "a second document; expected one");
  if (!problems.empty()) return problems.error();
  if (documents.empty()) {
    out.Clear();
    return {};
  }
  const std::unique_ptr<google::protobuf::Message> read(out.New());
  Filler("", problems, places, Filler::Names::Written)
      .message(documents[0], documents[0].at, *read);
  if (!problems.empty()) return problems.error();
  out.CopyFrom(*read);
  return {};
}

Result<void> read_settings(const std::string& path, google::protobuf::Message& out,
                           Places* places) {
  MESH_TRY(const std::string text, file::read(path, Limits{}.bytes_max));
  return read_text(text, path, out, places);
}

Error at_place(Error error, const std::string& file, const Places& places) {
  const Place* best = nullptr;
  size_t length = 0;
  for (const Place& place : places) {
    const size_t n = length_of_name(error.text, place.path);
    if (n <= length) continue;
    best = &place;
    length = n;
  }
  if (best == nullptr) return error;
  error.text.replace(0, length, best->path);
  return std::move(error).during(to_string(file, best->at));
}

Error in_field(std::string_view field, Error error) {
  error.text.insert(0, std::string(field) + ".");
  return error;
}

}  // namespace mesh::config
